// Frame <-> bytes. Everything that crosses the channel goes through these two functions, and what does not parse is
// the other end's fault: it closes the connection.
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type Frame, FrameSchema } from '../../gen/resproxy/v1/channel_pb.ts';
import { readOpenOkFrame } from './hot-answers.ts';
import { limits } from './limits.ts';
import { type CloseCode, closeCode } from './names.ts';

export type FrameBody = Exclude<Frame['body'], { case: undefined }>;
export type FrameBodyInit = NonNullable<MessageInitShape<typeof FrameSchema>['body']>;

/** The other end broke the protocol; the connection closes with this code. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly closeCode: CloseCode;

  constructor(code: CloseCode, message: string) {
    super(message);
    this.closeCode = code;
  }
}

export function encodeFrame(streamId: number, body: FrameBodyInit): Uint8Array {
  return toBinary(FrameSchema, create(FrameSchema, { streamId, body }));
}

/** Byte fields of the frame are views into `bytes`. Throws a ProtocolError. */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length > limits.maxFrameBytes) {
    throw new ProtocolError(closeCode.frameTooLarge, `frame larger than ${limits.maxFrameBytes} bytes`);
  }
  try {
    return readOpenOkFrame(bytes) ?? fromBinary(FrameSchema, bytes);
  } catch (error) {
    throw new ProtocolError(
      closeCode.protocolError,
      error instanceof Error ? `bad frame: ${error.message}` : 'bad frame',
    );
  }
}
