// A spec that is larger than one chunk: the first travels with the submit and the claim, the others by themselves.
import type { JobRef } from '../job.ts';
import { jobLimits } from '../job-limits.ts';
import type { StoredJob } from '../ledger/shelf.ts';
import { specKey } from './keys.ts';
import { type Partition, toBuffer } from './partition.ts';

/** What a submit that never comes leaves behind is gone after this. */
const unclaimedTtlMs = 600_000;

export function chunksOf(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += jobLimits.maxChunkBytes) {
    chunks.push(bytes.subarray(at, at + jobLimits.maxChunkBytes));
  }
  return chunks;
}

/** Before the submit, which keeps them for as long as the job. */
export async function writeSpec(partition: Partition, ref: JobRef, rest: readonly Uint8Array[]): Promise<void> {
  for (const [i, chunk] of rest.entries()) {
    const key = specKey(partition.tag, ref.tenant, ref.jobId, i + 1);
    await partition.call('SET', [key, toBuffer(chunk), 'PX', unclaimedTtlMs, 'NX']);
  }
}

export async function readSpec(partition: Partition, job: StoredJob, first: Buffer): Promise<Buffer> {
  const { specChunks = 1 } = job as StoredJob & { readonly specChunks?: number };
  if (specChunks === 1) return first;
  const chunks = [first];
  for (let i = 1; i < specChunks; i++) {
    const chunk = await partition.call('GET', [specKey(partition.tag, job.tenant, job.jobId, i)], 'bytes');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
