// A caller over native gRPC: grpc-js underneath, the generated descriptors for types and bytes.
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Client, type ClientReadableStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  type ErrorInfo,
  ErrorInfoSchema,
  type RetryInfo,
  RetryInfoSchema,
} from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';

/** What a failed call says of itself. */
export interface CallFailure {
  readonly status: number;
  readonly message: string;
  readonly info: ErrorInfo | undefined;
  readonly retry: RetryInfo | undefined;
}

export interface CallOptions {
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** Between two tries to connect, give or take a fifth. */
const reconnectMs = 100;

export class GrpcCaller {
  readonly #client: Client;
  readonly #token: string | undefined;

  /** With `ca`, in PEM, it speaks TLS. */
  constructor(port: number, token: string | undefined, ca?: string) {
    const security = ca === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(ca));
    this.#client = new Client(`${ca === undefined ? '127.0.0.1' : 'localhost'}:${port}`, security, {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      // A pod that is back is found at once; by default a client waits for seconds, then for minutes.
      'grpc.initial_reconnect_backoff_ms': reconnectMs,
      'grpc.max_reconnect_backoff_ms': reconnectMs,
    });
    this.#token = token;
  }

  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const answer = new Promise<MessageShape<O>>((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        pathOf(method),
        (value: MessageInitShape<I>) => encode(method.input, value),
        (bytes) => fromBinary(method.output, bytes),
        request,
        this.#metadata(),
        callOptions(options),
        (error, response) => (error ? reject(error) : resolve(response as MessageShape<O>)),
      );
      options.signal?.addEventListener('abort', () => call.cancel(), { once: true });
    });
    // A test that fails before it looks at this call has said enough.
    answer.catch(() => {});
    return answer;
  }

  /** The answers as they come; the stream pauses while nobody reads. `cancel()` on it leaves. */
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): TypedStream<MessageShape<O>> {
    const stream = this.#client.makeServerStreamRequest(
      pathOf(method),
      (value: MessageInitShape<I>) => encode(method.input, value),
      (bytes) => fromBinary(method.output, bytes),
      request,
      this.#metadata(),
      callOptions(options),
    );
    // As above; whoever reads hears of it all the same.
    stream.on('error', () => {});
    return stream as TypedStream<MessageShape<O>>;
  }

  /** Runs a call that must fail, and says how. */
  async failure<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<CallFailure> {
    try {
      await this.call(method, request, options);
    } catch (error) {
      return callFailure(error);
    }
    throw new Error(`${method.name} succeeded where it must fail`);
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  #metadata(): Metadata {
    const metadata = new Metadata();
    if (this.#token !== undefined) metadata.set('authorization', `Bearer ${this.#token}`);
    return metadata;
  }
}

export type TypedStream<T> = Omit<ClientReadableStream<T>, typeof Symbol.asyncIterator> & AsyncIterable<T>;

export function callFailure(error: unknown): CallFailure {
  const { code, details, metadata } = error as ServiceError;
  if (code === undefined) throw error;
  const [bytes] = metadata?.get('grpc-status-details-bin') ?? [];
  const rich = bytes instanceof Uint8Array ? fromBinary(StatusSchema, bytes).details : [];
  return {
    status: code,
    message: details,
    info: rich.map((any) => anyUnpack(any, ErrorInfoSchema)).find((found) => found !== undefined),
    retry: rich.map((any) => anyUnpack(any, RetryInfoSchema)).find((found) => found !== undefined),
  };
}

function pathOf(method: { readonly parent: { readonly typeName: string }; readonly name: string }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function encode<S extends DescMessage>(schema: S, value: MessageInitShape<S>): Buffer {
  return Buffer.from(toBinary(schema, create(schema, value)));
}

function callOptions({ deadlineMs = 60_000 }: CallOptions): { deadline: number } {
  return { deadline: Date.now() + deadlineMs };
}
