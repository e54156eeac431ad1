// A JobFailure as Connect and gRPC-Web tell it, and what the library found wrong by itself in the same words.
import { type Code, ConnectError } from '@connectrpc/connect';
import type { JobFailure } from '../../failure/failures.ts';
import { failureDetails, failureText } from '../failure-details.ts';
import { foreignFailure } from '../foreign-failure.ts';
import { bounds } from '../validate/bounds.ts';

export function toConnectError(failure: JobFailure): ConnectError {
  // Connect numbers its codes as gRPC does.
  const code = failure.row.grpc as number as Code;
  return new ConnectError(failureText(failure), code, undefined, failureDetails(failure), failure.cause);
}

/**
 * Changes an error of the library's own in place, since the library is about to tell it. Ours carry details already.
 * `received`: the service had the request.
 */
export function putInOurWords(error: ConnectError, received: boolean): void {
  if (error.details.length > 0) return;
  const facts = { received, maxBytes: bounds.maxJsonBytes, detail: jsonDetail(error.rawMessage) };
  const { code, rawMessage, message, details } = toConnectError(foreignFailure(error.code, facts));
  Object.assign(error, { code, rawMessage, message, details });
}

/** Which part of the JSON it was; what the library says of its value stays here. */
function jsonDetail(text: string): string | undefined {
  const [, part, key] = /^cannot decode \w+ ([\w.]+) from JSON(?:: key "(\w{1,64})" is unknown)?/.exec(text) ?? [];
  if (part === undefined) return undefined;
  return key === undefined ? `The JSON of ${part} cannot be read.` : `There is no field ${key} in ${part}.`;
}
