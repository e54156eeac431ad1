// One method of a service on this door: its definition, what a call of it needs, and the handler that grpc-js runs.
import type { DescMessage, DescMethodServerStreaming, DescMethodUnary, MessageShape } from '@bufbuild/protobuf';
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  MethodDefinition,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedHandleCall,
} from '@grpc/grpc-js';
import type { JobFailure } from '../../failure/failures.ts';
import { asFailure } from '../as-failure.ts';
import type { CallContext, CallRule } from '../call.ts';
import { invalidMessage } from '../validate/faults.ts';
import { type Decoded, definitionOf, Undecodable } from './definition.ts';
import { contextOf, type GrpcContext } from './grpc-context.ts';
import { toStatus } from './grpc-failure.ts';

/** Hears of every failure that a caller is told. */
export type OnFailure = (failure: JobFailure, context: CallContext) => void;

export interface RouteOptions<O extends DescMessage> {
  readonly rule: CallRule;
  readonly onFailure: OnFailure;
  readonly encodeResponse?: (response: MessageShape<O>) => Uint8Array;
}

export interface GrpcRoute {
  readonly definition: MethodDefinition<unknown, unknown>;
  readonly rule: CallRule;
  readonly handler: UntypedHandleCall;
}

/** Messages of one stream that wait for a slow reader: with 32 KiB each, what it costs besides its window. */
const maxQueuedMessages = 4;

export function unaryRoute<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  { rule, onFailure, encodeResponse }: RouteOptions<O>,
  run: (request: MessageShape<I>, context: CallContext) => MessageShape<O> | Promise<MessageShape<O>>,
): GrpcRoute {
  const answer = async (
    call: ServerUnaryCall<Decoded<I>, MessageShape<O>>,
    callback: sendUnaryData<MessageShape<O>>,
  ) => {
    const context = contextOf(call.metadata);
    try {
      const response = await run(decoded(call.request), context);
      context.answered();
      callback(null, response);
    } catch (error) {
      callback(told(error, context, onFailure));
    }
  };
  const handler: handleUnaryCall<Decoded<I>, MessageShape<O>> = (call, callback) => void answer(call, callback);
  return { definition: untyped(definitionOf(method, encodeResponse)), rule, handler: handler as UntypedHandleCall };
}

export function streamRoute<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  { rule, onFailure, encodeResponse }: RouteOptions<O>,
  run: (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageShape<O>>,
): GrpcRoute {
  const send = async (call: ServerWritableStream<Decoded<I>, MessageShape<O>>) => {
    const context = contextOf(call.metadata);
    try {
      for await (const message of run(decoded(call.request), context)) {
        const flushed = write(call, message, context.signal);
        if (flushed) await flushed;
        if (context.signal.aborted) return;
      }
      context.answered();
      call.end();
    } catch (error) {
      call.emit('error', told(error, context, onFailure));
    }
  };
  const handler: handleServerStreamingCall<Decoded<I>, MessageShape<O>> = (call) => void send(call);
  return { definition: untyped(definitionOf(method, encodeResponse)), rule, handler: handler as UntypedHandleCall };
}

/** Queues the message. When the queue is full, a promise that is kept once it is empty, or the call is over. */
function write<O>(call: ServerWritableStream<unknown, O>, message: O, signal: AbortSignal): Promise<void> | undefined {
  if (call.writableLength < maxQueuedMessages) {
    call.write(message);
    return undefined;
  }
  return new Promise((resolve) => {
    // grpc-js forgets the callbacks of what it had in hand when the call ends.
    const done = () => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done);
    call.write(message, done);
  });
}

function decoded<D extends DescMessage>(request: Decoded<D>): MessageShape<D> {
  if (request instanceof Undecodable) throw invalidMessage();
  return request;
}

function told(error: unknown, context: GrpcContext, onFailure: OnFailure): ReturnType<typeof toStatus> {
  const failure = asFailure(error);
  context.answered();
  onFailure(failure, context);
  return toStatus(failure);
}

function untyped<I, O>(definition: MethodDefinition<I, O>): MethodDefinition<unknown, unknown> {
  return definition as unknown as MethodDefinition<unknown, unknown>;
}
