// The WebSocket of browsers (Node.js 22 and newer has it): the reader comes back by itself, with its cursor.
const { HUB_URL, HUB_TOPIC } = process.env;
let cursor;

function connect() {
  const socket = new WebSocket(`${HUB_URL.replace('http', 'ws')}/ws`);
  socket.onopen = () => {
    const since = cursor === undefined ? {} : { since: cursor };
    socket.send(JSON.stringify({ op: 'subscribe', id: 1, topics: [HUB_TOPIC], ...since }));
  };
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.op === 'welcome') return console.log('welcome', frame.node);
    if (frame.op === 'gap') console.log('gap', frame.reason);
    if (frame.op === 'ack' && !frame.ok) return console.log('refused', frame.error.code);
    if (frame.cursor !== undefined) cursor = frame.cursor;
    if (frame.op === 'ack') console.log('subscribed', frame.topics[0].recovered ?? 'new');
    if (frame.op === 'message') console.log('message', frame.message.topic, frame.message.seq, frame.cursor);
  };
  socket.onclose = ({ code }) => {
    console.log('lost', code);
    setTimeout(connect, 500 + Math.random() * 500);
  };
}

connect();
