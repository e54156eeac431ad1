// Why a command to Redis failed, in the three ways that matter to who sent it. Errors of ioredis carry the command with
// its arguments, a password among them at times, so nothing of them is kept but the sentence.
import { redisLimits } from './redis-limits.ts';

export type RedisErrorCode =
  /** It never left this pod. */
  | 'UNSENT'
  /** No answer: Redis may have done it, once at most. */
  | 'UNKNOWN'
  /** Redis answered with an error, which is the message. */
  | 'REFUSED';

export class RedisError extends Error {
  override readonly name = 'RedisError';
  readonly code: RedisErrorCode;

  constructor(code: RedisErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** The sentences of ioredis that say less than they could, or that tell what happened to the command. */
const known: readonly (readonly [RegExp, RedisErrorCode, string])[] = [
  [/enableOfflineQueue options is false$|^Cluster is ended/, 'UNSENT', 'Redis is not connected'],
  [/^Command timed out$/, 'UNKNOWN', `no answer within ${redisLimits.commandTimeoutMs} ms`],
  [
    /^Reached the max retries per request|^Connection is closed\.$/,
    'UNKNOWN',
    'the connection broke before the answer',
  ],
];

export function asRedisError(error: unknown, secrets: readonly string[]): RedisError {
  if (error instanceof RedisError) return error;
  const message = faultOf(error, secrets);
  if (error instanceof Error && error.name === 'ReplyError') return new RedisError('REFUSED', message);
  const [, code, sentence] = known.find(([pattern]) => pattern.test(message)) ?? [];
  return new RedisError(code ?? 'UNKNOWN', sentence ?? message);
}

/** The sentence of an error, without secrets and not too long. */
export function faultOf(error: unknown, secrets: readonly string[]): string {
  let message = error instanceof Error ? error.message : String(error);
  for (const secret of secrets) message = message.replaceAll(secret, '[cut]');
  return message.slice(0, redisLimits.maxFaultLength);
}

export function isNoScript(error: unknown): boolean {
  return error instanceof RedisError && error.code === 'REFUSED' && error.message.startsWith('NOSCRIPT');
}
