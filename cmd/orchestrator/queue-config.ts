// The settings of durable jobs: where they are kept and for how long, and whom callbacks may reach.
import { duration, integer, list, type SettingValues, text } from '../../internal/kit/settings.ts';
import { jobLimits, parseReceiver, type QueueConfig } from '../../internal/orchestrator/durable-queue.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

export const queueSettings = {
  RESPROXY_DATA_DIR: text('Folder of jobs.sqlite, which keeps durable jobs when no Redis is shared.', {
    fallback: './.resproxy',
    pattern: /^[^\0]+$/,
    what: 'a folder',
  }),
  RESPROXY_RESULT_TTL: duration('How long a durable job and its result are kept once it is over.', {
    fallback: '24h',
    minMs: minuteMs,
    maxMs: 30 * dayMs,
  }),
  RESPROXY_MAX_ATTEMPTS: integer('Attempts of one job, at most.', { fallback: 3, min: 1, max: 10 }),
  RESPROXY_MAX_OPEN_JOBS: integer('Durable jobs of one tenant that are not over; the same for every pod.', {
    fallback: jobLimits.maxOpenPerTenant,
    min: 1,
    max: jobLimits.maxOpenPerTenant,
  }),
  RESPROXY_CALLBACK_ALLOW: list(
    'Receivers of callbacks inside the organisation: address/prefix:port or name:port; plain http is for these only.',
    parseReceiver,
    '',
  ),
  RESPROXY_CALLBACK_SECRETS: text('Where the secrets are that callbacks are signed with, by tenant: file:PATH.', {
    fallback: 'file:./.resproxy/callback-secrets.json',
    pattern: /^file:.+$/,
    what: 'file:PATH',
  }),
};

export function readQueue(values: SettingValues<typeof queueSettings>): QueueConfig {
  return {
    dataDir: values.RESPROXY_DATA_DIR,
    resultTtlMs: values.RESPROXY_RESULT_TTL,
    maxAttempts: values.RESPROXY_MAX_ATTEMPTS,
    maxOpenPerTenant: values.RESPROXY_MAX_OPEN_JOBS,
    callbackAllow: values.RESPROXY_CALLBACK_ALLOW,
    callbackSecretsFile: values.RESPROXY_CALLBACK_SECRETS.slice('file:'.length),
  };
}
