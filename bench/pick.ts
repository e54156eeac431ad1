// What choosing an exit costs among 100, 10,000 and 1,000,000 of them: microseconds per choice and candidates looked at,
// for targets of 0, 1 and 3 constraints. It must not grow with the fleet. The floor is a bare power of two choices: two
// random places of an array, and the emptier exit.

import { FleetView } from '../internal/orchestrator/registry/fleet-view.ts';
import { LiveExit } from '../internal/orchestrator/registry/live-exit.ts';
import {
  anyTarget,
  type CandidateSet,
  type Constraint,
  type Fleet,
  type Target,
} from '../internal/orchestrator/route/candidate.ts';
import { choose } from '../internal/orchestrator/route/choose.ts';
import { type Figure, figure, show } from './figures.ts';
import type { Say } from './lab.ts';

const fleets = [100, 10_000, 1_000_000] as const;
const rounds = 5;
const picksPerRound = 20_000;
const countedPicks = 2_000;
const tenant = 'bench';
const exclude: readonly never[] = [];

const targets: Readonly<Record<string, Target>> = {
  'no constraint': anyTarget,
  'one: 10 % match': { ...anyTarget, country: 'DE' },
  'one: 0.01 % match': { ...anyTarget, labels: new Map([['rare', 'yes']]) },
  'three: one of them 0.01 %': { ...anyTarget, country: 'DE', asn: 3320, labels: new Map([['rare', 'yes']]) },
  'three: 10 %, 25 %, 50 %': { ...anyTarget, country: 'DE', asn: 3320, labels: new Map([['tier', 'home']]) },
  'three of 10 % that seldom meet': { ...anyTarget, country: 'DE', region: 'R0', city: 'C0' },
};

interface Pick {
  readonly us: Figure;
  readonly candidates: number;
}

export async function benchPick(say: Say): Promise<unknown> {
  const figures: Record<string, { floorUs: Figure; targets: Record<string, Pick> }> = {};
  say(`${rounds} rounds of ${picksPerRound} choices each; us per choice, median (lowest-highest)`);
  for (const size of fleets) {
    const exits = Array.from({ length: size }, (_, i) => exitNumber(i));
    const view = new FleetView();
    for (const exit of exits) view.add(exit);
    const floorUs = timed(() => bareChoice(exits));
    say(`${`${size} exits`.padEnd(34)}floor ${show(floorUs)}`);
    const row: Record<string, Pick> = {};
    for (const [name, target] of Object.entries(targets)) {
      const us = timed(() => pick(view, target));
      row[name] = { us, candidates: mostTouched(view, target) };
      say(`  ${name.padEnd(30)}  ${show(us).padEnd(24)} at most ${row[name].candidates} candidates looked at`);
    }
    figures[size] = { floorUs, targets: row };
  }
  return figures;
}

function pick(fleet: Fleet<LiveExit>, target: Target): LiveExit {
  const choice = choose({ target, tenant, fleet, exclude, random: Math.random });
  if (choice.kind === 'none') throw new Error(choice.detail);
  return choice.candidate;
}

function bareChoice(exits: readonly LiveExit[]): LiveExit | undefined {
  const a = exits[Math.floor(Math.random() * exits.length)];
  const b = exits[Math.floor(Math.random() * exits.length)];
  return a && b && a.inFlight <= b.inFlight ? a : b;
}

/** Microseconds of one call. */
function timed(call: () => unknown): Figure {
  const round = () => {
    const begin = performance.now();
    for (let i = 0; i < picksPerRound; i++) call();
    return ((performance.now() - begin) * 1000) / picksPerRound;
  };
  round();
  return figure(Array.from({ length: rounds }, round));
}

/** The most candidates that one choice looked at. */
function mostTouched(view: FleetView, target: Target): number {
  let touched = 0;
  const counted = (constraint: Constraint<LiveExit>): Constraint<LiveExit> => {
    const set: CandidateSet<LiveExit> = {
      size: constraint.set.size,
      at(index) {
        touched++;
        return constraint.set.at(index);
      },
    };
    return { name: constraint.name, set, matches: (candidate) => constraint.matches(candidate) };
  };
  const fleet: Fleet<LiveExit> = {
    byId: (exitId) => view.byId(exitId),
    usable: (name) => counted(view.usable(name)),
    asked: (asked) => view.asked(asked).map(counted),
  };
  let most = 0;
  for (let i = 0; i < countedPicks; i++) {
    touched = 0;
    pick(fleet, target);
    most = Math.max(most, touched);
  }
  return most;
}

/**
 * One in 10 in DE, one in 4 of AS 3320, half of them at home; one in 10,000, which is all of that, has a rare label.
 * Regions and cities are one in 10 each, and independent of the country.
 */
function exitNumber(i: number): LiveExit {
  const labels = new Map([['tier', i % 2 === 0 ? 'home' : 'office']]);
  if (i % 10_000 === 0) labels.set('rare', 'yes');
  const exit = new LiveExit({
    exitId: `key-${i}/default/direct`,
    agentId: `key-${i}/default`,
    name: 'direct',
    kind: 'direct',
    state: 'available',
    capacity: 8,
    country: i % 10 === 0 ? 'DE' : `X${i % 10}`,
    region: `R${Math.floor(i / 10) % 10}`,
    city: `C${Math.floor(i / 100) % 10}`,
    asn: i % 4 === 0 ? 3320 : 64_500 + (i % 4),
    labels,
    tenants: new Set(),
  });
  exit.inFlight = i % 8;
  return exit;
}
