// npm run test:faults -- [--full] [--seed N] [jest options]
// Kills, stops and restarts real processes under load. Without --full it is a smoke of about a minute; the seed brings
// every choice back.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';

const args = process.argv.slice(2);
const full = args.includes('--full');
const seedAt = args.indexOf('--seed');
const seed = seedAt === -1 ? randomInt(2 ** 31) : Number(args[seedAt + 1]);
const rest = args.filter((arg, i) => arg !== '--full' && (seedAt === -1 || (i !== seedAt && i !== seedAt + 1)));
if (!Number.isSafeInteger(seed)) {
  process.stderr.write('test:faults: --seed needs a whole number\n');
  process.exit(2);
}

process.stderr.write(`seed ${seed}${full ? ', full' : ''}\n`);
const jest = ['node_modules/jest/bin/jest.js', '--selectProjects', 'faults', '--runInBand'];
const { status } = spawnSync(process.execPath, ['--experimental-vm-modules', ...jest, ...rest], {
  stdio: 'inherit',
  env: { ...process.env, RESPROXY_TEST_SEED: String(seed), RESPROXY_TEST_FULL: String(full) },
});
process.exitCode = status ?? 1;
