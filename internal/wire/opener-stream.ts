// The end of a stream that asks, a pod's: it opens with a request and waits for the head of the answer.
import type { OpenErr, OpenOk } from '../../gen/resproxy/v1/channel_pb.ts';
import { ProtocolError } from './codec.ts';
import { closeCode } from './names.ts';
import type { HandOver } from './sender.ts';
import { BodyStream } from './stream.ts';
import { type OpenedStream, type StreamEnd, StreamError } from './stream-api.ts';
import type { ConnectionEnd } from './transport.ts';

const ignore = (): void => {};

export class OpenerStream extends BodyStream implements OpenedStream, HandOver {
  protected override readonly peerEndIsAll = true;
  readonly #head = Promise.withResolvers<OpenOk>();
  #answered = false;
  #sent = false;

  get head(): Promise<OpenOk> {
    return this.#head.promise;
  }

  /** The transport took the OPEN: from here on the other end may have acted on it. */
  handedOver(): void {
    this.#sent = true;
  }

  onOpenOk(head: OpenOk): void {
    if (this.#answered) throw new ProtocolError(closeCode.protocolError, 'a stream was answered twice');
    this.#answered = true;
    if (head.end) this.peerEndedWithHead();
    this.#head.resolve(head);
  }

  onOpenErr(error: OpenErr): void {
    if (this.#answered) throw new ProtocolError(closeCode.protocolError, 'a stream was answered twice');
    this.finish({ kind: 'refused', error });
  }

  override onData(data: Parameters<BodyStream['onData']>[0]): void {
    if (!this.#answered) throw new ProtocolError(closeCode.protocolError, 'data before the head of an answer');
    super.onData(data);
  }

  override onLost(end: ConnectionEnd): void {
    super.onLost(end, this.#sent);
  }

  protected override onOver(end: StreamEnd | 'done'): void {
    if (this.#answered || end === 'done') return;
    this.#head.promise.catch(ignore);
    this.#head.reject(new StreamError(end));
  }
}
