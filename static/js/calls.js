/** Where the calls over HTTP are: beside the WebSocket. */

/** @param {URL | string} url of the WebSocket */
export function calls(url) {
  const base = new URL(url, location.href);
  base.protocol = base.protocol.replace('ws', 'http');
  return base;
}
