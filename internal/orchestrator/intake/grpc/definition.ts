// Services for grpc-js, made from the descriptors that protobuf-es generates: one definition serves the door and, in
// tests, a client. A request that does not decode becomes a value, because grpc-js would call a throw INTERNAL.

import {
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { MethodDefinition } from '@grpc/grpc-js';

export type GrpcMethod<I extends DescMessage, O extends DescMessage> =
  | DescMethodUnary<I, O>
  | DescMethodServerStreaming<I, O>
  | DescMethodBiDiStreaming<I, O>;

/** What arrived instead of a request. */
export class Undecodable {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

export type Decoded<I extends DescMessage> = MessageShape<I> | Undecodable;

/** `encodeResponse` may know a shorter way to the same bytes. */
export function definitionOf<I extends DescMessage, O extends DescMessage>(
  method: GrpcMethod<I, O>,
  encodeResponse: (response: MessageShape<O>) => Uint8Array = (response) => toBinary(method.output, response),
): MethodDefinition<Decoded<I>, MessageShape<O>> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind !== 'unary',
    requestSerialize: (request) => {
      if (request instanceof Undecodable) throw request.cause;
      return asBuffer(toBinary(method.input, request));
    },
    requestDeserialize: (bytes) => decode(method.input, bytes),
    responseSerialize: (response) => asBuffer(encodeResponse(response)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}

function decode<D extends DescMessage>(schema: D, bytes: Uint8Array): Decoded<D> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    return new Undecodable(cause);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
