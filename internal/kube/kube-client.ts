// The Kubernetes API as this project speaks it: a handful of verbs in JSON over kept connections, every request bounded
// in time and size, every failure a KubeError.
import { type Dispatcher, request } from 'undici';
import type { Credentials } from './credentials.ts';
import { answerError, KubeError } from './kube-error.ts';
import { collectionPath, type Kind, type KubeObject, type NewObject, objectPath } from './objects.ts';

export interface KubeClientOptions {
  readonly credentials: Credentials;
  /** Named in the server's audit log. */
  readonly userAgent: string;
  /** Asked right before anything is written; absent: always. */
  readonly mayWrite?: () => boolean;
  /** Hears of every request that was answered. */
  readonly onAnswer?: (method: string, status: number) => void;
}

export interface Page<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: KubeObject;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  /** A write that must go out although this process does not lead: the Lease itself. */
  readonly always?: boolean;
  /** Media types of the answer, all of them JSON. */
  readonly accept?: string;
}

type Method = 'GET' | 'POST' | 'PUT';
type Query = Readonly<Record<string, string | undefined>>;

const callTimeoutMs = 10_000;
const maxBodyBytes = 64 * 1024 * 1024;
const maxLineChars = 8 * 1024 * 1024;
/** The server sends a bookmark about every minute: a connection that says nothing for longer is dead. */
const watchSilenceMs = 90_000;

export class KubeClient {
  readonly #options: KubeClientOptions;

  constructor(options: KubeClientOptions) {
    this.#options = options;
  }

  async get<T extends KubeObject>(kind: Kind, at: { namespace: string; name: string }, options?: CallOptions) {
    try {
      return (await this.#call('GET', objectPath(kind, at), undefined, options)) as T;
    } catch (error) {
      if (error instanceof KubeError && error.fault === 'not-found') return undefined;
      throw error;
    }
  }

  async page<T extends KubeObject>(kind: Kind, namespace: string | undefined, query: Query): Promise<Page<T>> {
    return (await this.#call('GET', withQuery(collectionPath(kind, namespace), query))) as Page<T>;
  }

  /** What is no object: the documents that the server publishes of itself. */
  document(path: string): Promise<unknown> {
    return this.#call('GET', path, undefined, { accept: 'application/json, application/jwk-set+json' });
  }

  async create<T extends NewObject>(kind: Kind, namespace: string, object: T, options?: CallOptions) {
    return (await this.#call('POST', collectionPath(kind, namespace), object, options)) as T & KubeObject;
  }

  /** Refused as a conflict unless the object is still of the resourceVersion that it names. */
  async replace<T extends KubeObject>(kind: Kind, object: T, options?: CallOptions): Promise<T> {
    return (await this.#call('PUT', objectPath(kind, object.metadata), object, options)) as T;
  }

  async replaceStatus<T extends KubeObject>(kind: Kind, object: T): Promise<T> {
    return (await this.#call('PUT', `${objectPath(kind, object.metadata)}/status`, object)) as T;
  }

  /** Ends when the server ends it, and throws when the connection fails or the signal aborts. */
  async *watch(
    kind: Kind,
    namespace: string | undefined,
    query: Query,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent> {
    const path = withQuery(collectionPath(kind, namespace), { ...query, watch: 'true', allowWatchBookmarks: 'true' });
    const { server, headers, watches } = await this.#options.credentials.access();
    const answer = await this.#send(`${server}${path}`, {
      method: 'GET',
      headers: this.#headers(headers),
      dispatcher: watches,
      signal,
      headersTimeout: callTimeoutMs,
      bodyTimeout: watchSilenceMs,
    });
    if (answer.statusCode !== 200) throw answerError(answer.statusCode, `GET ${path}`, await readBody(answer.body));
    try {
      for await (const line of linesOf(answer.body)) yield JSON.parse(line) as WatchEvent;
    } catch (error) {
      throw error instanceof KubeError
        ? error
        : new KubeError('unreachable', `GET ${path}: the watch broke off`, error);
    }
  }

  async #call(method: Method, path: string, body?: unknown, options: CallOptions = {}): Promise<unknown> {
    const { credentials, mayWrite = () => true } = this.#options;
    const { server, headers, calls } = await credentials.access();
    // Asked as late as can be: between this line and the socket nothing waits.
    if (method !== 'GET' && !options.always && !mayWrite())
      throw new KubeError('not-leader', `${method} ${path}: this process does not lead`);
    const answer = await this.#send(`${server}${path}`, {
      method,
      headers: { ...this.#headers(headers), ...(options.accept && { accept: options.accept }) },
      dispatcher: calls,
      signal: AbortSignal.timeout(options.timeoutMs ?? callTimeoutMs),
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await readBody(answer.body).catch((error: unknown) => {
      throw new KubeError('unreachable', `${method} ${path}: the answer broke off`, error);
    });
    if (answer.statusCode >= 300) throw answerError(answer.statusCode, `${method} ${path}`, text);
    return JSON.parse(text);
  }

  async #send(
    url: string,
    options: NonNullable<Parameters<typeof request>[1]>,
  ): Promise<Dispatcher.ResponseData<unknown>> {
    const { method = 'GET' } = options;
    try {
      const answer = await request(url, options);
      this.#options.onAnswer?.(method, answer.statusCode);
      return answer;
    } catch (error) {
      this.#options.onAnswer?.(method, 0);
      const why = error instanceof Error ? error.message : String(error);
      throw new KubeError('unreachable', `${method} ${new URL(url).pathname}: ${why}`, error);
    }
  }

  #headers(authorization: Readonly<Record<string, string>>): Record<string, string> {
    return {
      ...authorization,
      'user-agent': this.#options.userAgent,
      accept: 'application/json',
      'content-type': 'application/json',
    };
  }
}

function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value);
  return `${path}?${search.toString()}`;
}

async function readBody(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw new Error(`more than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Exported for its test. */
export async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLineChars) throw new Error(`a line of more than ${maxLineChars} characters`);
    yield* lines;
  }
}
