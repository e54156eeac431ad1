// Names of fields on this door. Services name a fault by its place in the proto API; a REST caller wrote JSON or a query
// and is told the name that stands there.

const renamed: ReadonlyMap<string, string> = new Map([
  ['timeout', 'timeoutMs'],
  ['delay', 'delayMs'],
  ['queue_timeout', 'queueTimeoutMs'],
  ['retry.initial_backoff', 'retry.initialBackoffMs'],
  ['retry.max_backoff', 'retry.maxBackoffMs'],
  ['page_size', 'limit'],
  ['page_token', 'nextToken'],
]);

/** `request.headers[3]` is `headers[3]` here, `target.exit_id` is `target.exitId`. */
export function restField(field: string): string {
  const known = renamed.get(field);
  if (known !== undefined) return known;
  // A label keeps the name that the caller gave it.
  if (/^(?:target\.)?labels\./.test(field)) return field;
  return field.replace(/^request\./, '').replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
