// A RunJobResponse as the JSON of POST /jobs: the answer's headers by name for those who look one up, and as an exact
// list for those who must not lose their order.
import type { Duration } from '@bufbuild/protobuf/wkt';
import { Execution } from '../../../../gen/resproxy/v1/failure_pb.ts';
import type { Header, Timings } from '../../../../gen/resproxy/v1/http_pb.ts';
import type { Attempt, ExitInfo } from '../../../../gen/resproxy/v1/job_parts_pb.ts';
import type { RunJobResponse } from '../../../../gen/resproxy/v1/job_pb.ts';
import { codeName } from '../../failure/table.ts';

type HeaderObject = Record<string, string | string[]>;

const executionNames: ReadonlyMap<number, string> = new Map(
  Object.entries(Execution).map(([name, number]) => [number, name]),
);

export function toJobJson(message: RunJobResponse, requestId: string): string {
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
    exit: exit && toExit(exit),
    attempts: attempts.map(toAttempt),
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

function toExit({ exitId, agentId, country, region, city, asn }: ExitInfo): object {
  return { exitId, agentId, country, region, city, asn };
}

function toAttempt({ exitId, code, execution, duration }: Attempt): object {
  return {
    exitId,
    code: codeName(code),
    execution: executionNames.get(execution),
    durationMs: duration && toMs(duration),
  };
}

function toTimings({ dnsUs, connectUs, tlsUs, firstByteUs, totalUs }: Timings): object {
  return { dnsUs, connectUs, tlsUs, firstByteUs, totalUs };
}

function toMs({ seconds, nanos }: Duration): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}
