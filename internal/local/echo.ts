// The built-in origin of `npm start`: /echo tells what arrived, so that a first job has somewhere to go without the
// internet. On this machine only.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Tried first; the system chooses another when it is taken. */
export const preferredEchoPort = 8081;
const maxBodyBytes = 16 * 1024 * 1024;

export class EchoOrigin {
  readonly #server: Server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });

  async start(port: number = preferredEchoPort): Promise<void> {
    try {
      await this.#listen(port);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      await this.#listen(0);
    }
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #listen(port: number): Promise<void> {
    const listening = once(this.#server, 'listening');
    this.#server.listen(port, '127.0.0.1');
    await listening;
  }
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '' } = request;
  if (url !== '/echo' && !url.startsWith('/echo?')) {
    reply(response, 404, { error: 'this origin has one page: /echo' });
    return;
  }
  const body = await readBody(request);
  if (body === undefined) reply(response, 413, { error: `a body may have ${maxBodyBytes} bytes` });
  else reply(response, 200, { method, path: url, headers: headersOf(request), ...textOrBase64(body) });
}

/** Undefined when it is too long. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxBodyBytes) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** In the order of their arrival; a repeated one is a list. */
function headersOf({ headersDistinct }: IncomingMessage): Record<string, string | string[]> {
  const entries = Object.entries(headersDistinct).map(([name, values = []]) => {
    const [first = ''] = values;
    return [name, values.length === 1 ? first : values] as const;
  });
  return Object.fromEntries(entries);
}

function textOrBase64(body: Buffer): Record<string, string> {
  const text = body.toString();
  return Buffer.from(text).equals(body) ? { body: text } : { bodyBase64: body.toString('base64') };
}

function reply(response: ServerResponse, status: number, content: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(content, undefined, 2)}\n`);
}
