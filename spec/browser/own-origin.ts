/**
 * For a page to evaluate: opens a WebSocket to its own hub and one to another host.
 *
 * @returns what became of the two; `refused` is the policy of the page, before anything was sent
 */
export const OPEN_SOCKETS = `(async () => {
  const outcome = (url) => new Promise((resolve) => {
    document.addEventListener('securitypolicyviolation', (event) => {
      if (event.blockedURI.startsWith(url.slice(0, 12))) resolve('refused');
    });
    try {
      const socket = new WebSocket(url);
      socket.onopen = () => { resolve('open'); socket.close(); };
    } catch { resolve('refused'); }
  });
  const own = await outcome('ws://' + location.host + '/ws');
  return own + ', ' + await outcome('ws://192.0.2.1/ws');
})()`;
