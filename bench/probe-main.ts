// Preloaded into a program under measurement: on SIGUSR2 it collects garbage, writes a line with what it then holds and
// how late its event loop was since the last such line, and starts to count lateness anew.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const sampleMs = 10;
let lateMs: number[] = [];
let dueAt = performance.now() + sampleMs;
const timer = setTimeout(() => {
  const now = performance.now();
  lateMs.push(Math.max(0, now - dueAt));
  dueAt = now + sampleMs;
  timer.refresh();
}, sampleMs);
timer.unref();

process.on('SIGUSR2', () => {
  const lag = lateMs.sort((a, b) => a - b);
  const lagP99Ms = lag[Math.floor(0.99 * (lag.length - 1))] ?? 0;
  const lagMaxMs = lag.at(-1) ?? 0;
  collectGarbage();
  collectGarbage();
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  process.stdout.write(
    `${JSON.stringify({ msg: 'probe', rss, heapUsed, external, arrayBuffers, lagP99Ms, lagMaxMs })}\n`,
  );
  lateMs = [];
  dueAt = performance.now() + sampleMs;
});
process.stdout.write(`${JSON.stringify({ msg: 'probed' })}\n`);
