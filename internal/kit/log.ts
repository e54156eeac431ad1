// One JSON line per event on stdout. What looks like a secret is cut before it is written.
import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Exact paths: a wildcard costs more than the rest of the line. */
const secretPaths = ['authorization', 'token', 'key', 'headers.authorization', 'headers.cookie'];

export function createLogger(name: string, level: string): Logger {
  const options = {
    name,
    level,
    redact: { paths: secretPaths, censor: '[cut]' },
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  // Written in place: a line that waits for another thread is lost, or out of order, when the process ends.
  return pino(options, pino.destination({ dest: 1, sync: true }));
}
