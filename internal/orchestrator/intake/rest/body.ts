// The JSON of a request, within bounds and nothing but JSON.
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { JobFailure } from '../../failure/failures.ts';
import { BodyPace, type PaceOptions } from '../http/body-pace.ts';
import { bounds } from '../validate/bounds.ts';
import { HttpFault } from './http-fault.ts';

const jsonType = /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i;

/** Refuses what is not JSON, or is too long, by the head alone. */
export function checkBodyHead({ headers }: IncomingMessage): void {
  if (!jsonType.test(headers['content-type'] ?? ''))
    throw new HttpFault(415, 'Send the job as application/json in UTF-8.', { accept: 'application/json' });
  if ((headers['content-encoding'] ?? 'identity') !== 'identity')
    throw new HttpFault(415, 'Send the job without a content encoding.', { 'accept-encoding': 'identity' });
  if (Number(headers['content-length'] ?? 0) > bounds.maxJsonBytes) throw tooLong();
}

export async function readJson(request: IncomingMessage, pace: PaceOptions): Promise<unknown> {
  const bytes = await readAll(request, pace);
  if (!isUtf8(bytes)) throw notJson();
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw notJson();
  }
}

/** The request itself stays: its answer is still to be written. */
function readAll(request: IncomingMessage, options: PaceOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const pace = new BodyPace(options, (why) => settle(() => reject(new HttpFault(408, why))));
    const settle = (settled: () => void) => {
      pace.stop();
      request.off('data', onData).off('end', onEnd).off('close', onClose).pause();
      settled();
    };
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      pace.moved(chunk.length);
      chunks.push(chunk);
      if (length > bounds.maxJsonBytes) settle(() => reject(tooLong()));
    };
    const onEnd = () => settle(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    const onClose = () => settle(() => reject(new JobFailure('CANCELLED')));
    request.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

function tooLong(): JobFailure {
  return new JobFailure('REQUEST_TOO_LARGE', { detail: `The JSON is larger than ${bounds.maxJsonBytes} bytes.` });
}

function notJson(): JobFailure {
  return new JobFailure('INVALID_REQUEST', { detail: 'The body is not JSON.' });
}
