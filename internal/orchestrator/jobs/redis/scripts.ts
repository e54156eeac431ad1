// The scripts, from their files; the rules that they share are put behind the header of each.
import { readFileSync } from 'node:fs';
import { defineScript, type RedisScript } from '../../redis/redis-script.ts';

const library = read('library');

function read(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8');
}

function script(name: string): RedisScript {
  const lines = read(name).split('\n');
  const code = lines.findIndex((line) => !line.startsWith('#!') && !line.startsWith('--'));
  return defineScript(`jobs-${name}`, [...lines.slice(0, code), library, ...lines.slice(code)].join('\n'));
}

export const scripts = {
  submit: script('submit'),
  claim: script('claim'),
  renew: script('renew'),
  release: script('release'),
  park: script('park'),
  unpark: script('unpark'),
  dispatched: script('dispatched'),
  running: script('running'),
  putChunk: script('put-chunk'),
  finish: script('finish'),
  retry: script('retry'),
  cancel: script('cancel'),
  redrive: script('redrive'),
  list: script('list'),
  events: script('events'),
  result: script('result'),
  sweep: script('sweep'),
  oldest: script('oldest'),
  claimDeliveries: script('claim-deliveries'),
  recordDelivery: script('record-delivery'),
  redeliver: script('redeliver'),
} as const;
