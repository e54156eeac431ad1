// Runs campaigns side by side until each has sent its mutants, and asks every so often whether all is well. What it
// throws names the seed, the campaign and the case.

import { SeededRandom } from '../harness/seeded-random.ts';
import type { Campaign } from './campaign.ts';
import { type FuzzLab, inLanes, type Tally } from './lab.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** Mutants of each campaign, by its name. */
  readonly mutants: Readonly<Record<string, number>>;
  /** The first case; with it, a case that failed can be run alone. */
  readonly from?: number;
  /** No round begins after it. */
  readonly boundMs?: number;
  /** Hears of each round. */
  readonly onRound?: (line: string) => void;
}

export interface Report {
  /** Mutants that the other end has taken. */
  readonly taken: number;
  readonly tally: Tally;
}

/** Cases between two checkups. */
const casesPerRound = 200;

export async function fuzz(lab: FuzzLab, campaigns: readonly Campaign[], options: FuzzOptions) {
  const end = performance.now() + (options.boundMs ?? Number.POSITIVE_INFINITY);
  const reports = new Map(campaigns.map(({ name }) => [name, { taken: 0, tally: new Map() }]));
  let running = true;
  const run = async (campaign: Campaign) => {
    const report = reports.get(campaign.name) ?? { taken: 0, tally: new Map() };
    const wanted = options.mutants[campaign.name] ?? 0;
    for (
      let from = options.from ?? 0;
      running && report.taken < wanted && performance.now() < end;
      from += casesPerRound
    ) {
      await inLanes(from, from + casesPerRound, campaign.lanes, async (index, lane) => {
        if (!running || report.taken >= wanted) return;
        const random = SeededRandom.of(options.seed, campaign.name, index);
        const taken = await campaign.run({ random, lane, tally: report.tally }).catch((error: unknown): never => {
          throw new Error(`--seed ${options.seed} --only ${campaign.name} --from ${index}`, { cause: error });
        });
        report.taken += taken;
      });
      await campaign.checkup?.();
      options.onRound?.(`${campaign.name}: ${report.taken} mutants`);
    }
  };
  // These go on beside the campaigns; the whole checkup is for when all are quiet.
  const checkups = (async () => {
    while (running) {
      await lab.vitals();
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  })();
  try {
    await Promise.race([Promise.all(campaigns.map(run)), checkups.then(() => new Promise<never>(() => {}))]);
  } finally {
    running = false;
  }
  await checkups;
  await lab.checkup();
  return reports as ReadonlyMap<string, Report>;
}

export function lines(reports: ReadonlyMap<string, Report>): string[] {
  return [...reports].map(([name, { taken, tally }]) => {
    const outcomes = [...tally].sort(([, a], [, b]) => b - a).map(([what, times]) => `${what} ${times}`);
    return `${name}: ${taken} mutants; ${outcomes.join(', ')}`;
  });
}
