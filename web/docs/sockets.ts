/** The documentation of the messages over Socket.IO and WebSocket. */
import AsyncApi from '@asyncapi/react-component/browser/standalone/index.js';
import '@asyncapi/react-component/styles/default.min.css';

const root = document.getElementById('document')!;

try {
  const answer = await fetch('../asyncapi.json');
  if (!answer.ok) throw new Error(`asyncapi.json was answered with ${answer.status}`);
  const config = { show: { errors: false }, sidebar: { showOperations: 'byDefault' } };
  AsyncApi.render({ schema: await answer.json(), config }, root);
} catch (error) {
  const said = document.createElement('p');
  said.className = 'failed';
  said.textContent = `The document could not be shown: ${error instanceof Error ? error.message : String(error)}. It is at ${new URL('../asyncapi.json', location.href).pathname}.`;
  root.replaceChildren(said);
}
