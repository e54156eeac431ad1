// The three ways in which a request can be refused for what it says. Each names the field by its path in the API and
// never repeats a value.
import { invalidRequest, JobFailure } from '../../failure/failures.ts';

export { invalidRequest as invalid };

export function tooLarge(field: string, detail: string): JobFailure {
  return new JobFailure('REQUEST_TOO_LARGE', { field, detail: `${field}: ${detail}` });
}

/** Set, and not honoured by this version: ignoring it could repeat what must not be repeated. */
export function unimplemented(field: string, detail: string): JobFailure {
  return new JobFailure('UNIMPLEMENTED', { field, detail: `${field}: ${detail}` });
}

interface Decoded {
  readonly $unknown?: readonly { readonly no: number }[] | undefined;
}

/** A field that a newer caller sets and this version does not know. `field` is empty for the request itself. */
export function refuseUnknown(field: string, message: Decoded): void {
  const unknown = message.$unknown?.[0];
  if (unknown === undefined) return;
  const place = field === '' ? `#${unknown.no}` : `${field}.#${unknown.no}`;
  throw unimplemented(place, 'this version knows no such field');
}

/** What arrived is no message at all, so there is no field to name. */
export function invalidMessage(): JobFailure {
  return new JobFailure('INVALID_REQUEST', { detail: 'The message does not decode.' });
}
