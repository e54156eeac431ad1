// A RunJobResponse as JSON: the answer's headers by name for those who look one up, and as an exact
// list for those who must not lose their order.
import type { Header, Timings } from '../../../../gen/resproxy/v1/http_pb.ts';
import type { RunJobResponse } from '../../../../gen/resproxy/v1/job_pb.ts';
import { toAttemptJson, toExitJson } from './job-json.ts';

type HeaderObject = Record<string, string | string[]>;

export function toAnswerJson(message: RunJobResponse, requestId: string): string {
  const { jobId, response, exit, attempts, timings } = message;
  const { statusCode = 0, headers = [], body = new Uint8Array(), finalUrl = '' } = response ?? {};
  const result = {
    statusCode,
    headers: byName(headers),
    headerList: headers.map(({ name, value }) => [name, value]),
    isBase64Encoded: true,
    finalUrl,
  };
  const job = {
    message: 'Job completed successfully.',
    jobId,
    requestId,
    exit: exit && toExitJson(exit),
    attempts: attempts.map(toAttemptJson),
    timings: timings && toTimings(timings),
  };
  return withMember(job, 'result', withMember(result, 'body', quotedBase64(body)));
}

/** The JSON of an object that has a member, with one more whose value is JSON already. */
function withMember(object: object, name: string, json: string): string {
  return `${JSON.stringify(object).slice(0, -1)},"${name}":${json}}`;
}

/** Base64 has nothing to escape. To have a body searched for that took as long as all the rest of its JSON. */
function quotedBase64(bytes: Uint8Array): string {
  return `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}"`;
}

/** Lower-case names; a name that repeats has a list of values, and set-cookie always has one. */
function byName(headers: readonly Header[]): HeaderObject {
  const object: HeaderObject = Object.create(null);
  for (const { name, value } of headers) {
    const key = name.toLowerCase();
    const before = object[key];
    if (Array.isArray(before)) before.push(value);
    else if (before !== undefined) object[key] = [before, value];
    else object[key] = key === 'set-cookie' ? [value] : value;
  }
  return object;
}

function toTimings({ dnsUs, connectUs, tlsUs, firstByteUs, totalUs }: Timings): object {
  return { dnsUs, connectUs, tlsUs, firstByteUs, totalUs };
}
