// The body of a kept answer, read from the store one chunk at a time.
import type { JobRef } from '../../jobs/job.ts';
import type { JobStore, ResultHead } from '../../jobs/job-store.ts';
import { resultGone } from './durable-failures.ts';
import { ask } from './store-failure.ts';

/** What one message of a stream carries. */
const maxPieceBytes = 32 * 1024;

/** In order, as a stream hands them over. Fails with a JobFailure. */
export async function* pieces(
  store: JobStore,
  ref: JobRef,
  head: ResultHead,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let index = 0; index < head.chunks; index++) {
    const chunk = await chunkAt(store, ref, index);
    for (let at = 0; at < chunk.length; at += maxPieceBytes) yield chunk.subarray(at, at + maxPieceBytes);
  }
}

/** All of it, for an answer of one message. Rejects with a JobFailure. */
export async function wholeBody(store: JobStore, ref: JobRef, head: ResultHead): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let index = 0; index < head.chunks; index++) chunks.push(await chunkAt(store, ref, index));
  return Buffer.concat(chunks);
}

async function chunkAt(store: JobStore, ref: JobRef, index: number): Promise<Uint8Array> {
  const chunk = await ask(store.resultChunk(ref, index));
  if (!chunk) throw resultGone(ref.jobId);
  return chunk;
}
