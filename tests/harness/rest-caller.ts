// A caller over REST: plain fetch, the answer with its status, headers and JSON as they came.

/** The body of POST /jobs, or whatever a test of bad input sends instead. */
export type JobBody = Readonly<Record<string, unknown>>;

export interface RestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: JsonObject;
}

export interface JsonObject {
  readonly [name: string]: unknown;
}

/** `result` of a job that succeeded. */
export interface JobResult {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly headerList: readonly (readonly [string, string])[];
  readonly body: string;
  readonly isBase64Encoded: boolean;
}

const boundMs = 60_000;

export class RestCaller {
  readonly baseUrl: string;
  readonly #token: string | undefined;

  constructor(port: number, token: string | undefined, host = '127.0.0.1') {
    this.baseUrl = `http://${host}:${port}`;
    this.#token = token;
  }

  async request(method: string, path: string, body?: string | Uint8Array, headers: Record<string, string> = {}) {
    const response = await fetch(new URL(path, this.baseUrl), {
      method,
      headers: {
        ...this.#authorization(),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      signal: AbortSignal.timeout(boundMs),
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : new Blob([Buffer.from(body)]) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, json: toJson(text) } satisfies RestAnswer;
  }

  get(path: string): Promise<RestAnswer> {
    return this.request('GET', path);
  }

  runJob(body: JobBody): Promise<RestAnswer> {
    return this.request('POST', '/jobs?sync=true', JSON.stringify(body));
  }

  #authorization(): Record<string, string> {
    return this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
  }
}

/** `result` of an answer that must be a success. */
export function resultOf({ status, json }: RestAnswer): JobResult {
  if (status !== 200) throw new Error(`the job failed: ${status} ${JSON.stringify(json)}`);
  return json.result as JobResult;
}

export function bodyOf(result: JobResult): Buffer {
  return Buffer.from(result.body, result.isBase64Encoded ? 'base64' : 'utf8');
}

function toJson(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    return { text };
  }
}
