// npm run test:fuzz -- [--seed N] [--count N] [--only channel,agent,http,grpc] [--from CASE]
// Sends that many mutants to live processes and prints what became of them. The seed brings every mutant back; what
// the processes do meanwhile is theirs.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { newCampaigns, shareOf, wholeRun } from './campaigns.ts';
import { fuzz, lines } from './fuzz.ts';
import { FuzzLab } from './lab.ts';

const option = { type: 'string' } as const;
const { values } = parseArgs({ options: { seed: option, count: option, only: option, from: option } });
const seed = Number(values.seed ?? randomInt(2 ** 31));
const names = values.only?.split(',') ?? Object.keys(newCampaigns);
const say = (line: string) => process.stdout.write(`${line}\n`);

say(`seed ${seed}`);
const lab = await FuzzLab.start();
const campaigns = await Promise.all(names.map((name) => campaignOf(name)));
try {
  const begin = performance.now();
  const mutants = shareOf(Number(values.count ?? wholeRun), names);
  const reports = await fuzz(lab, campaigns, { seed, mutants, from: Number(values.from ?? 0), onRound: progress() });
  for (const line of lines(reports)) say(line);
  say(`no rule broken in ${Math.round((performance.now() - begin) / 1000)} s; ${lab.memory()}`);
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(
    `${error instanceof Error ? `${error.message}\n${String(error.cause).slice(0, 4_000)}` : String(error)}\n`,
  );
} finally {
  await Promise.all(campaigns.map((campaign) => campaign.close()));
  await lab.close();
}

function campaignOf(name: string) {
  const make = newCampaigns[name];
  if (!make) throw new Error(`no campaign ${name}: there are ${Object.keys(newCampaigns).join(', ')}`);
  return make(lab);
}

/** One line every five seconds. */
function progress(): (line: string) => void {
  let last = performance.now();
  return (line) => {
    if (performance.now() - last < 5_000) return;
    last = performance.now();
    say(line);
  };
}
