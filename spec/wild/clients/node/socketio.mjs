// One program for socket.io-client 3 and 4: it keeps the cursor, and sends it where the library has not recovered by
// itself.
import { io } from 'socket.io-client';

const { HUB_URL, HUB_TOPIC } = process.env;
let cursor;

const socket = io(HUB_URL);

socket.on('connect', () => {
  if (socket.recovered) return; // 4.6 and newer: the subscriptions are in force again
  const since = cursor === undefined ? {} : { since: cursor };
  socket.emit('subscribe', { topics: [HUB_TOPIC], ...since }, (ack) => {
    if (!ack.ok) return console.log('refused', ack.error.code);
    cursor ??= ack.cursor;
    console.log('subscribed', ack.topics[0].recovered ?? 'new', ack.topics[0].reason ?? '');
  });
});
socket.on('message', (message, position) => {
  cursor = position;
  console.log('message', message.topic, message.seq, position);
});
socket.on('position', (position) => {
  cursor = position;
});
socket.on('welcome', (info) => console.log('welcome', info.node));
socket.on('gap', (info) => console.log('gap', info.reason));
socket.on('disconnect', (reason) => console.log('lost', reason));
socket.on('connect_error', (error) => {
  console.log('lost', error.message);
  // "active" came with 4.0: false where the library will not try again.
  if (socket.active === false) console.log('ended', error.message);
});
