// The end of a stream that was asked, an agent's or a relaying pod's: it was opened with a request and answers once,
// with a head or with a refusal.
import { type Open, ResetCode } from '../../gen/resproxy/v1/channel_pb.ts';
import { encodeOpenOkFrame } from './hot-frames.ts';
import { BodyStream, type StreamHost } from './stream.ts';
import type { AcceptedStream, AcceptHead, RefusedOpen, StreamEnd } from './stream-api.ts';

export class AcceptorStream extends BodyStream implements AcceptedStream {
  protected override readonly peerEndIsAll = false;
  readonly open: Open;
  #abortListener: ((end: StreamEnd) => void) | undefined;
  #aborted: StreamEnd | undefined;

  constructor(id: number, host: StreamHost, open: Open, ownWindowBytes: number) {
    super(id, host, { ownBytes: ownWindowBytes, peerBytes: open.window });
    this.open = open;
    if (open.end) this.peerEndedWithHead();
  }

  accept(head: AcceptHead): void {
    if (this.isOver) return;
    this.host.sendEncoded(encodeOpenOkFrame(this.id, head));
    if (head.end) this.finish('done');
  }

  refuse(error: RefusedOpen): void {
    if (this.isOver) return;
    this.host.sendControl(this.id, { case: 'openErr', value: error });
    this.finish('done');
  }

  onAbort(listener: (end: StreamEnd) => void): void {
    if (this.#aborted) listener(this.#aborted);
    else this.#abortListener = listener;
  }

  protected override onEndSent(): void {
    super.onEndSent();
    this.finish('done');
  }

  protected override onOver(end: StreamEnd | 'done'): void {
    const asked = end !== 'done' && end.kind === 'reset' && end.local && end.code !== ResetCode.STALLED;
    if (end === 'done' || asked) return;
    this.#aborted = end;
    this.#abortListener?.(end);
  }
}
