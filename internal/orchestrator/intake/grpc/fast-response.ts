// RunJobResponse and the body pieces of StreamJob into bytes, field by field. protobuf-es grows a new buffer for every
// message, which for an answer of 2 KiB costs three times as much as all the rest of its encoding; this writes into one
// that is kept. The bytes are the same, and a test holds the two together.
import { toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Header, Timings } from '../../../../gen/resproxy/v1/http_pb.ts';
import type { Attempt, ExitInfo } from '../../../../gen/resproxy/v1/job_parts_pb.ts';
import {
  type HttpResponse,
  type RunJobResponse,
  RunJobResponseSchema,
  type StreamJobResponse,
  StreamJobResponseSchema,
} from '../../../../gen/resproxy/v1/job_pb.ts';

/** Beyond it a fresh buffer costs little beside the copying, and would be a lot to keep. */
const maxKeptBytes = 64 * 1024;
const { LengthDelimited, Varint } = WireType;

let kept = new BinaryWriter();

export function encodeRunJobResponse(message: RunJobResponse): Uint8Array {
  const bodyBytes = message.response?.body.length ?? 0;
  if (bodyBytes > maxKeptBytes) return toBinary(RunJobResponseSchema, message);
  return written((writer) => writeRunJobResponse(writer, message));
}

export function encodeStreamJobResponse(message: StreamJobResponse): Uint8Array {
  const { event } = message;
  if (event.case !== 'body' || event.value.length > maxKeptBytes) return toBinary(StreamJobResponseSchema, message);
  return written((writer) => writer.tag(3, LengthDelimited).bytes(event.value));
}

function written(write: (writer: BinaryWriter) => void): Uint8Array {
  try {
    write(kept);
    return kept.finish();
  } catch (error) {
    // What was half written must not begin the next message.
    kept = new BinaryWriter();
    throw error;
  }
}

function writeRunJobResponse(writer: BinaryWriter, message: RunJobResponse): void {
  text(writer, 1, message.jobId);
  if (message.response) writeResponse(writer.tag(2, LengthDelimited).fork(), message.response);
  if (message.exit) writeExit(writer.tag(3, LengthDelimited).fork(), message.exit);
  for (const attempt of message.attempts) writeAttempt(writer.tag(4, LengthDelimited).fork(), attempt);
  if (message.timings) writeTimings(writer.tag(5, LengthDelimited).fork(), message.timings);
}

function writeResponse(writer: BinaryWriter, response: HttpResponse): void {
  number(writer, 1, response.statusCode);
  for (const header of response.headers) writeHeader(writer.tag(2, LengthDelimited).fork(), header);
  if (response.body.length > 0) writer.tag(3, LengthDelimited).bytes(response.body);
  text(writer, 4, response.finalUrl);
  writer.join();
}

function writeHeader(writer: BinaryWriter, { name, value }: Header): void {
  text(writer, 1, name);
  text(writer, 2, value);
  writer.join();
}

function writeExit(writer: BinaryWriter, exit: ExitInfo): void {
  text(writer, 1, exit.exitId);
  text(writer, 2, exit.agentId);
  text(writer, 3, exit.country);
  text(writer, 4, exit.region);
  text(writer, 5, exit.city);
  number(writer, 6, exit.asn);
  writer.join();
}

function writeAttempt(writer: BinaryWriter, { exitId, code, execution, duration }: Attempt): void {
  text(writer, 1, exitId);
  number(writer, 2, code);
  number(writer, 3, execution);
  if (duration) {
    writer.tag(4, LengthDelimited).fork();
    if (duration.seconds !== 0n) writer.tag(1, Varint).int64(duration.seconds);
    number(writer, 2, duration.nanos);
    writer.join();
  }
  writer.join();
}

function writeTimings(writer: BinaryWriter, timings: Timings): void {
  number(writer, 1, timings.dnsUs);
  number(writer, 2, timings.connectUs);
  number(writer, 3, timings.tlsUs);
  number(writer, 4, timings.firstByteUs);
  number(writer, 5, timings.totalUs);
  writer.join();
}

/** proto3 leaves out what has its default. */
function text(writer: BinaryWriter, field: number, value: string): void {
  if (value !== '') writer.tag(field, LengthDelimited).string(value);
}

/** Not below zero: a negative varint is written another way. */
function number(writer: BinaryWriter, field: number, value: number): void {
  if (value !== 0) writer.tag(field, Varint).uint32(value);
}
