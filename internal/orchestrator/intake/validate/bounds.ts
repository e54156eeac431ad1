// Every bound of a job that a caller can meet, each once. What the agent channel bounds too comes from there.
import { limits } from '../../../wire/limits.ts';

const MiB = 1024 * 1024;

export const bounds = {
  minTimeoutMs: 1,
  maxTimeoutMs: 10 * 60_000,
  defaultTimeoutMs: 30_000,

  maxRequestBodyBytes: limits.maxUnaryBodyBytes,
  /** The answer of RunJob is one message; StreamJob's has no bound of its own. */
  maxUnaryResponseBytes: limits.maxUnaryBodyBytes,
  maxRedirects: limits.maxRedirects,
  defaultRedirects: limits.defaultRedirects,

  /** A deployment may allow fewer. */
  maxAttempts: 10,
  defaultInitialBackoffMs: 100,
  maxInitialBackoffMs: 10_000,
  defaultMaxBackoffMs: 2_000,
  maxMaxBackoffMs: 60_000,

  maxLabels: limits.maxLabelsPerExit,
  maxAsn: 2 ** 32 - 1,

  defaultPageSize: 100,
  maxPageSize: 100,
  maxPageTokenLength: 1024,

  /** A gRPC message: a body of 16 MiB, and room for everything around it. */
  maxMessageBytes: limits.maxUnaryBodyBytes + MiB,
  /** A JSON request: a body of 16 MiB as base64 is 21.4 MiB; the rest is room for everything around it. */
  maxJsonBytes: 24 * MiB,
} as const;
