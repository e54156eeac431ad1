// What a job's method, URL and headers may be. Intake checks before a job is taken, the agent checks again before a
// byte leaves: one list for both, pure, so that neither can be talked into what the other refuses.
import { limits } from './limits.ts';

/** What the caller must mend. The detail never repeats a value of the request. */
export interface RequestFault {
  readonly kind: 'fault';
  /** `url`, `method`, `headers` or `headers[N]`. */
  readonly field: string;
  /** Completes "FIELD: ...". */
  readonly detail: string;
  /** A bound was passed: REQUEST_TOO_LARGE instead of INVALID_REQUEST. */
  readonly tooLarge: boolean;
}

/** A URL taken apart for HTTP/1.1. */
export interface RequestTarget {
  readonly kind: 'target';
  readonly secure: boolean;
  /** `https://host[:port]`; names a server, so it keys connection pools. */
  readonly origin: string;
  /** The Host header: lower case, IDN as punycode, the scheme's own port left out. */
  readonly authority: string;
  /** A name or an IP literal as WHATWG writes it; IPv6 without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** Byte for byte as in the URL; `/` when it has no path. */
  readonly pathAndQuery: string;
  /** The URL without its fragment. */
  readonly url: string;
}

export interface HeaderField {
  readonly name: string;
  readonly value: string;
}

const urlShape = /^(https?):\/\/([^/?#]*)([^#]*)/i;
const badInAuthority = /[\p{Cc}\s\\]/u;
const badInPath = /[^\x21-\x7e]|\\/;

/** Slices path and query from the text and lets WHATWG read only the authority, so that nothing is rewritten. */
export function parseTarget(text: string): RequestTarget | RequestFault {
  if (text.length > limits.maxUrlBytes) return tooLarge('url', `is longer than ${limits.maxUrlBytes} bytes`);
  const [whole, scheme, authority, rest] = urlShape.exec(text) ?? [];
  if (whole === undefined || scheme === undefined || authority === undefined || rest === undefined)
    return fault('url', 'must begin with http:// or https://');
  if (authority === '') return fault('url', 'has no host');
  if (authority.includes('@'))
    return fault('url', 'must not hold a user name or password; send an Authorization header instead');
  if (badInAuthority.test(authority))
    return fault('url', 'has a space, a control character or a backslash in its host');
  if (badInPath.test(rest))
    return fault(
      'url',
      'has a space, a control character, a backslash or a non-ASCII character in its path or query; percent-encode it',
    );
  return fromAuthority(`${scheme}://${authority}`, rest, whole);
}

function fromAuthority(base: string, rest: string, url: string): RequestTarget | RequestFault {
  const parsed = URL.parse(base);
  if (!parsed || parsed.hostname === '') return fault('url', 'has a host or port that is not valid');
  const secure = parsed.protocol === 'https:';
  const port = parsed.port === '' ? (secure ? 443 : 80) : Number(parsed.port);
  if (port === 0) return fault('url', 'has port 0');
  const { hostname } = parsed;
  return {
    kind: 'target',
    secure,
    origin: `${parsed.protocol}//${parsed.host}`,
    authority: parsed.host,
    hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port,
    pathAndQuery: rest.startsWith('/') ? rest : `/${rest}`,
    url,
  };
}

const maxMethodLength = 32;

/** Any token but CONNECT and TRACE, as written. */
export function checkMethod(method: string): RequestFault | undefined {
  if (method.length > maxMethodLength) return fault('method', `is longer than ${maxMethodLength} characters`);
  if (!isToken(method)) return fault('method', "must be a token of letters, digits and !#$%&'*+-.^_`|~");
  const upper = method.toUpperCase();
  return upper === 'CONNECT' || upper === 'TRACE' ? fault('method', `${upper} is not offered`) : undefined;
}

/** Fields that belong to one connection, or that the agent writes itself. */
const refused = new Set([
  'connection',
  'content-length',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const host = 'host';
/** Lengths of the names above: most headers are passed without lower-casing them. */
const suspectLengths = new Set([...refused, host].map((name) => name.length));

/** `authority` is the URL's: a Host header may only repeat it. */
export function checkHeaders(headers: readonly HeaderField[], authority: string): RequestFault | undefined {
  if (headers.length > limits.maxHeaders) return tooLarge('headers', `are more than ${limits.maxHeaders}`);
  let bytes = 0;
  let hosts = 0;
  for (const [i, { name, value }] of headers.entries()) {
    bytes += name.length + value.length;
    if (!isToken(name)) return fault(`headers[${i}]`, 'has a name that is not a token');
    if (!isFieldValue(value)) return fault(`headers[${i}]`, 'has a value with CR, LF, NUL or beyond latin-1');
    if (!suspectLengths.has(name.length)) continue;
    const lower = name.toLowerCase();
    if (refused.has(lower)) return fault(`headers[${i}]`, `${lower} is not the caller's to send`);
    if (lower === host && (++hosts > 1 || value.toLowerCase() !== authority))
      return fault(`headers[${i}]`, "host may be given once, as the URL's host and port");
  }
  return bytes > limits.maxHeaderBytes
    ? tooLarge('headers', `are larger than ${limits.maxHeaderBytes} bytes`)
    : undefined;
}

/** RFC 9110 5.6.2, by character code. */
const tokenCodes = new Uint8Array(128);
for (const char of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
  tokenCodes[char.charCodeAt(0)] = 1;

export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (tokenCodes[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

/** Tab, space, visible ASCII and 0x80 to 0xff. */
export function isFieldValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff) return false;
  }
  return true;
}

function fault(field: string, detail: string): RequestFault {
  return { kind: 'fault', field, detail, tooLarge: false };
}

function tooLarge(field: string, detail: string): RequestFault {
  return { kind: 'fault', field, detail, tooLarge: true };
}
