// One JSON line per event on stdout. What looks like a secret is cut before it is written.
import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

const secretPaths = [
  'authorization',
  'token',
  'key',
  'headers.authorization',
  'headers.cookie',
  '*.authorization',
  '*.token',
  '*.key',
];

export function createLogger(name: string, level: string): Logger {
  return pino({
    name,
    level,
    redact: { paths: secretPaths, censor: '[cut]' },
    formatters: { level: (label) => ({ level: label }) },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
}
