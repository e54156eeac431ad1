// What a campaign is: a kind of mutant, and how one case of it is run. A case is a whole connection; it says how many
// mutants the other end has taken from it.

import type { SeededRandom } from '../harness/seeded-random.ts';
import type { FuzzLab, Tally } from './lab.ts';

export interface Case {
  readonly random: SeededRandom;
  /** Which of the cases that run at once this is. */
  readonly lane: number;
  readonly tally: Tally;
}

export interface Campaign {
  readonly name: string;
  readonly lanes: number;
  /** Resolves with the number of mutants that were taken; rejects when a rule was broken. */
  run(each: Case): Promise<number>;
  /** What has to hold besides the lab's own checkup. */
  checkup?(): Promise<void>;
  close(): Promise<void>;
}

export type NewCampaign = (lab: FuzzLab) => Promise<Campaign>;
