// Made for browsers: in Node.js it wants these three, and nothing else.
globalThis.window ??= globalThis;
const ignore = () => undefined;
globalThis.document ??= { hidden: false, addEventListener: ignore, removeEventListener: ignore };
globalThis.requestAnimationFrame ??= setImmediate;

const { fetchEventSource } = await import('@microsoft/fetch-event-source');
const { HUB_URL, HUB_TOPIC } = process.env;
const url = `${HUB_URL}/stream?topics=${encodeURIComponent(HUB_TOPIC)}`;

await fetchEventSource(url, {
  openWhenHidden: true,
  onmessage({ event, data, id }) {
    const content = JSON.parse(data);
    if (event === '') console.log('message', content.topic, content.seq, id);
    else if (event === 'gap') console.log('gap', content.reason);
    else if (event === 'position' && content.node !== undefined) {
      console.log('welcome', content.node);
      console.log('subscribed', content.topics[0].recovered ?? 'new', content.topics[0].reason ?? '');
    }
  },
  onerror(error) {
    console.log('lost', error.message); // and again: to throw here would end it
  },
  onclose() {
    throw new Error('the stream ended'); // as its page says: an end is an error where one wants to come back
  },
});
console.log('ended', 'fetchEventSource returned');
