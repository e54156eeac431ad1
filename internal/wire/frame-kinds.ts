// Which frames belong to the connection, which to a stream, and which is a stream's last.
import type { FrameBody } from './codec.ts';
import type { ControlBody } from './mux-api.ts';

export type ConnectionBody = ControlBody | Extract<FrameBody, { case: 'ping' | 'pong' }>;
export type StreamBody = Exclude<FrameBody, ConnectionBody>;

const connectionCases: ReadonlySet<string> = new Set([
  'ping',
  'pong',
  'hello',
  'welcome',
  'exits',
  'drain',
  'drainAck',
  'goAway',
  'peerHello',
  'agentOrder',
  'agentOrderDone',
] satisfies ConnectionBody['case'][]);

export function isConnectionFrame(body: FrameBody): body is ConnectionBody {
  return connectionCases.has(body.case);
}

/** Whether nothing of the same sender may follow on the stream. */
export function isLastFrame(body: StreamBody): boolean {
  if (body.case === 'data' || body.case === 'openOk') return body.value.end;
  return body.case === 'openErr' || body.case === 'reset';
}
