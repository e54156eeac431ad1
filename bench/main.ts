// npm run bench [-- NAME]: runs the named benchmark, or all of them. The last line is one JSON object with every figure.
import { arch, cpus, platform } from 'node:os';
import { benchBulk } from './bulk.ts';
import { benchFair } from './fair.ts';
import { benchFleet } from './fleet.ts';
import { benchIdle } from './idle.ts';
import { benchJob } from './job.ts';
import type { Say } from './lab.ts';
import { benchPick } from './pick.ts';
import { benchRelay } from './relay.ts';
import { benchStore } from './store.ts';
import { benchWire } from './wire.ts';

const benches: Readonly<Record<string, (say: Say) => Promise<unknown>>> = {
  job: benchJob,
  wire: benchWire,
  bulk: benchBulk,
  fair: benchFair,
  idle: benchIdle,
  pick: benchPick,
  relay: benchRelay,
  fleet: benchFleet,
  store: benchStore,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0) {
  process.stderr.write(`bench: there is no ${unknown.join(', ')}; there is ${Object.keys(benches).join(', ')}\n`);
  process.exit(2);
}
if (platform() !== 'linux') {
  process.stderr.write('bench: CPU time per process is read from /proc, so it runs on Linux only\n');
  process.exit(2);
}

const [cpu] = cpus();
const figures: Record<string, unknown> = {
  node: process.version,
  machine: `${cpus().length} x ${cpu?.model} ${arch()}`,
};
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`bench ${name}`);
  figures[name] = await bench((line) => console.log(line));
}
console.log(JSON.stringify(figures));
