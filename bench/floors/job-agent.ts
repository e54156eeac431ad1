// The floor of an agent: takes a Frame over ws, makes the request with undici's dispatch, sends one Frame back. No guard,
// no limits, no reconnect. The pod's URL is its argument.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Agent, type Dispatcher } from 'undici';
import { WebSocket } from 'ws';
import { type Frame, FrameSchema, type Open } from '../../gen/resproxy/v1/channel_pb.ts';
import { type Header, TimingsSchema } from '../../gen/resproxy/v1/http_pb.ts';

const timings = create(TimingsSchema, { firstByteUs: 1000 });
const pools = new Agent({ allowH2: false, pipelining: 1, connections: 128 });
const socket = new WebSocket(process.argv[2] ?? '', { perMessageDeflate: false });
socket.on('message', (bytes: Buffer) => onFrame(fromBinary(FrameSchema, bytes)));
socket.on('open', () => process.stdout.write(`${JSON.stringify({ msg: 'connected' })}\n`));
socket.on('close', () => process.exit(0));

function onFrame({ streamId, body }: ReturnType<typeof fromBinary<typeof FrameSchema>>): void {
  if (body.case === 'open') request(streamId, body.value);
}

function request(streamId: number, { kind, body }: Open): void {
  if (kind.case !== 'http') return;
  const { method, url, headers } = kind.value;
  const { origin, pathname, search } = new URL(url);
  const flat = headers.flatMap(({ name, value }) => [name, value]);
  const options: Dispatcher.DispatchOptions = { origin, path: pathname + search, method, headers: flat };
  if (body.length > 0) options.body = body;
  pools.dispatch(options, new Answer(streamId, url));
}

class Answer implements Dispatcher.DispatchHandler {
  readonly #streamId: number;
  readonly #url: string;
  readonly #pieces: Buffer[] = [];
  #statusCode = 0;
  #headers: Header[] = [];

  constructor(streamId: number, url: string) {
    this.#streamId = streamId;
    this.#url = url;
  }

  onRequestStart(): void {}

  onResponseStart(controller: Dispatcher.DispatchController, statusCode: number): void {
    this.#statusCode = statusCode;
    const raw = controller.rawHeaders as Buffer[];
    for (let i = 0; i < raw.length; i += 2) {
      this.#headers.push({
        $typeName: 'resproxy.v1.Header',
        name: raw[i]?.toString('latin1') ?? '',
        value: raw[i + 1]?.toString('latin1') ?? '',
      });
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, piece: Buffer): void {
    this.#pieces.push(piece);
  }

  onResponseEnd(): void {
    const [first = Buffer.alloc(0)] = this.#pieces;
    const body = this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces);
    const frame: Frame = {
      $typeName: 'resproxy.v1.Frame',
      streamId: this.#streamId,
      body: {
        case: 'openOk',
        value: {
          $typeName: 'resproxy.v1.OpenOk',
          statusCode: this.#statusCode,
          headers: this.#headers,
          finalUrl: this.#url,
          timings,
          body,
          end: true,
          exitId: '',
        },
      },
    };
    socket.send(toBinary(FrameSchema, frame));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    throw error;
  }
}
