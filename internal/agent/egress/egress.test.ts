import { Writable } from 'node:stream';
import { afterEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { ask, begin, Rig } from './rig.ts';

const rig = new Rig();
afterEach(() => rig.close());

function logTo(lines: Record<string, unknown>[]) {
  const stream = new Writable({
    write(line: Buffer, _encoding, done) {
      lines.push(JSON.parse(line.toString()) as Record<string, unknown>);
      done();
    },
  });
  return pino({ level: 'debug' }, stream);
}

test('the log tells the owner what was done for whom, never a path, a header or a body', async () => {
  const lines: Record<string, unknown>[] = [];
  const origin = await rig.http((_message, response) => response.end('secret-body'));
  const egress = rig.egress({ logger: logTo(lines) });
  const headers = [{ name: 'authorization', value: 'secret-token' }];
  await ask(egress, { url: `${origin.url}/secret-path?q=secret`, headers, jobId: 'job-1' });
  await ask(egress, { url: 'http://192.168.0.1/secret-path', jobId: 'job-2' });
  await ask(egress, { url: 'http://8.8.8.8:25/secret-path', jobId: 'job-2b' });
  await ask(egress, { url: 'ftp://secret-host/', jobId: 'job-3' });
  const { exchange } = begin(egress, { url: origin.url, jobId: 'job-4' });
  exchange.abort();
  expect(lines).toMatchObject([
    {
      jobId: 'job-1',
      host: `127.0.0.1:${origin.port}`,
      status: 200,
      bytes: 11,
      msg: `Job done: 127.0.0.1:${origin.port} answered 200, 11 bytes.`,
    },
    { jobId: 'job-2', host: '192.168.0.1', code: 'DESTINATION_IP_PROHIBITED', range: 'private', level: 40 },
    { jobId: 'job-2b', host: '8.8.8.8:25', code: 'EXIT_REFUSED', level: 40 },
    { jobId: 'job-3', field: 'url', code: 'INVALID_REQUEST', level: 40 },
    { jobId: 'job-4', level: 20, msg: 'Job cancelled.' },
  ]);
  expect(JSON.stringify(lines)).not.toContain('secret');
});

test('many exchanges run at once, each on a connection of its own', async () => {
  const waiting: (() => void)[] = [];
  const origin = await rig.http((message, response) => {
    waiting.push(() => response.end(message.url));
    if (waiting.length === 40) for (const answer of waiting) answer();
  });
  const egress = rig.egress();
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(egress, { url: `${origin.url}/${i}` })));
  expect(answers.map(({ body }) => body.toString())).toEqual(Array.from({ length: 40 }, (_, i) => `/${i}`));
  expect(egress.running).toBe(0);
  expect(egress.lanes.size).toEqual({ lanes: 40, idle: 40, pools: 1 });
});
