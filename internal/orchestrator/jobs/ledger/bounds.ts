// What a store refuses, whoever sends it: the sizes that would cost it memory. Intake has told the caller in better words.
import type { NewJob } from '../job.ts';
import { jobLimits } from '../job-limits.ts';
import { StoreFault } from '../job-store.ts';

export function assertBounded(job: NewJob): void {
  atMost('spec', job.spec.length, jobLimits.maxSpecBytes);
  atMost('about', Buffer.byteLength(job.about), jobLimits.maxAboutBytes);
  atMost('callback', job.callback?.length ?? 0, jobLimits.maxCallbackBytes);
  atMost('key', Buffer.byteLength(job.key?.key ?? ''), jobLimits.maxKeyBytes);
  atMost('fingerprint', Buffer.byteLength(job.key?.fingerprint ?? ''), jobLimits.maxKeyBytes);
  const labels = Object.entries(job.labels);
  atMost('labels', labels.length, jobLimits.maxLabels);
  for (const [name, value] of labels) atMost('label', Buffer.byteLength(name + value), jobLimits.maxLabelBytes);
  within('priority', job.priority, 0, jobLimits.maxPriority);
  within('maxAttempts', job.maxAttempts, 1, jobLimits.maxAttempts);
  within('delayMs', job.delayMs, 0, jobLimits.maxDelayMs);
  within('queueMs', job.queueMs, 1, jobLimits.maxQueueMs);
  within('keepMs', job.keepMs, 0, jobLimits.maxKeepMs);
  within('resultTtlMs', job.resultTtlMs, 0, jobLimits.maxKeepMs);
}

export function assertChunk(index: number, bytes: Uint8Array): void {
  atMost('chunk', bytes.length, jobLimits.maxChunkBytes);
  within('chunk index', index, 0, jobLimits.maxChunks - 1);
}

export function assertMeta(meta: Uint8Array): void {
  atMost('result', meta.length, jobLimits.maxResultMetaBytes);
}

function atMost(what: string, size: number, most: number): void {
  if (size > most) throw new StoreFault('REQUEST_TOO_LARGE', `${what}: ${size}, at most ${most}`);
}

/** A number out of range is a fault of ours. */
function within(what: string, value: number, least: number, most: number): void {
  if (!(Number.isInteger(value) && value >= least && value <= most)) {
    throw new RangeError(`${what}: ${value} is not an integer from ${least} to ${most}`);
  }
}
