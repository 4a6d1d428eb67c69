// eventsource 2 exports the class as such, 3 and newer by name.
import * as eventsource from 'eventsource';

const EventSource = eventsource.EventSource ?? eventsource.default;
const { HUB_URL, HUB_TOPIC } = process.env;

const source = new EventSource(`${HUB_URL}/stream?topics=${encodeURIComponent(HUB_TOPIC)}`);

source.onmessage = ({ data, lastEventId }) => {
  const { topic, seq } = JSON.parse(data);
  console.log('message', topic, seq, lastEventId);
};
source.addEventListener('position', ({ data }) => {
  const { node, topics } = JSON.parse(data);
  if (node === undefined) return;
  console.log('welcome', node);
  console.log('subscribed', topics[0].recovered ?? 'new', topics[0].reason ?? '');
});
source.addEventListener('gap', ({ data }) => console.log('gap', JSON.parse(data).reason));
source.onerror = (error) => {
  console.log('lost', error.message ?? error.status ?? '');
  if (source.readyState === EventSource.CLOSED) console.log('ended', error.code ?? error.status ?? '');
};
