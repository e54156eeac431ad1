// The Proxy-Status header (RFC 9209): why a proxy answers in the origin's place, for caches, balancers and people with
// curl. A structured field (RFC 9651) of one item with two parameters.

const proxyName = 'resproxy';

/** `error` is an error type of RFC 9209 2.3. */
export function proxyStatus(error: string, details: string): string {
  return `${proxyName}; error=${error}; details=${sfString(details)}`;
}

/** RFC 9651 3.3.3: visible ASCII and space, with `"` and `\` escaped. What else a text holds becomes a question mark. */
function sfString(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}
