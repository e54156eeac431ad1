import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { anyTarget, type Candidate, type CandidateSet, type Constraint, type Fleet, type Target } from './candidate.ts';
import { choose, type Tried } from './choose.ts';

function exit(exitId: string, given: Partial<Candidate> = {}): Candidate {
  return {
    exitId,
    agentId: exitId.split('/')[0] ?? '',
    local: true,
    country: '',
    region: '',
    city: '',
    asn: 0,
    labels: new Map(),
    tenants: new Set(),
    open: true,
    capacity: 10,
    inFlight: 0,
    recentSuccess: 1,
    ...given,
  };
}

/** Filters plain arrays, and counts what is looked at. */
class FakeFleet implements Fleet {
  touched = 0;
  readonly #exits: readonly Candidate[];

  constructor(exits: readonly Candidate[]) {
    this.#exits = exits;
  }

  byId(exitId: string): Candidate | undefined {
    return this.#exits.find((candidate) => candidate.exitId === exitId);
  }

  usable(tenant: string): Constraint {
    return this.#constraint('tenant', ({ tenants }) => tenants.size === 0 || tenants.has(tenant));
  }

  asked(target: Target): Constraint[] {
    const asked: Constraint[] = [];
    if (target.country) {
      asked.push(this.#constraint(`country=${target.country}`, ({ country }) => country === target.country));
    }
    for (const [key, value] of target.labels) {
      asked.push(this.#constraint(`label ${key}=${value}`, ({ labels }) => labels.get(key) === value));
    }
    return asked;
  }

  #constraint(name: string, matches: (candidate: Candidate) => boolean): Constraint {
    const members = this.#exits.filter(matches);
    return { name, set: this.#counted(members), matches };
  }

  #counted(members: readonly Candidate[]): CandidateSet {
    const at = (index: number) => {
      this.touched++;
      return members[index] ?? exit('none', { open: false });
    };
    return { size: members.length, at };
  }
}

/** The numbers of a list, again and again. */
function sequence(...numbers: number[]): () => number {
  let next = 0;
  return () => numbers[next++ % numbers.length] ?? 0;
}

function ask(exits: readonly Candidate[], given: Partial<Target> = {}, exclude: readonly Tried[] = []) {
  const fleet = new FakeFleet(exits);
  const random = sequence(0, 0.3, 0.6, 0.9, 0.1, 0.4, 0.7, 0.2, 0.5, 0.8);
  return choose({ target: { ...anyTarget, ...given }, tenant: 'acme', fleet, exclude, random });
}

function chosen(...question: Parameters<typeof ask>): string | undefined {
  const choice = ask(...question);
  return choice.kind === 'chosen' ? choice.candidate.exitId : undefined;
}

describe('of two exits that fit, it takes', () => {
  test('the less loaded one, relative to its capacity', () => {
    expect(chosen([exit('a', { inFlight: 3, capacity: 4 }), exit('b', { inFlight: 5, capacity: 10 })])).toBe('b');
  });

  test('the one that succeeded more of late', () => {
    expect(chosen([exit('a', { recentSuccess: 0.5 }), exit('b', { recentSuccess: 0.9 })])).toBe('b');
  });

  test('one that fails now and then, when the other is more loaded by far', () => {
    expect(chosen([exit('a', { recentSuccess: 0 }), exit('b', { inFlight: 8 })])).toBe('b');
    expect(chosen([exit('a', { recentSuccess: 0.5 }), exit('b', { inFlight: 5 })])).toBe('a');
  });

  test('one of an agent that the job was not sent to, however loaded and far', () => {
    const tried = { exitId: 'a/1', agentId: 'a' };
    const far = exit('b/1', { inFlight: 9, recentSuccess: 0, local: false });
    expect(chosen([exit('a/1'), exit('a/2'), far], {}, [tried])).toBe('b/1');
  });

  test('the one of this pod when both are as busy, and one of another pod that is clearly less so', () => {
    const far = exit('far', { local: false });
    expect(chosen([far, exit('near')])).toBe('near');
    expect(chosen([exit('far', { local: false, inFlight: 4 }), exit('near', { inFlight: 4 })])).toBe('near');
    expect(chosen([far, exit('near', { inFlight: 2 })])).toBe('far');
    expect(chosen([far, exit('near', { recentSuccess: 0.3 })])).toBe('far');
  });
});

describe('it never takes an exit that', () => {
  const cases: [string, Candidate, Partial<Target>, Tried[]][] = [
    ['is closed', exit('a', { open: false }), {}, []],
    ['is full', exit('a', { inFlight: 10 }), {}, []],
    ['was tried', exit('a'), {}, [{ exitId: 'a', agentId: 'a' }]],
    ['is elsewhere', exit('a', { country: 'FR' }), { country: 'DE' }, []],
    ['belongs to another tenant', exit('a', { tenants: new Set(['other']) }), {}, []],
  ];
  test.each(cases)('%s', (_, unfit, target, exclude) => {
    expect(chosen([unfit], target, exclude)).toBeUndefined();
    expect(chosen([unfit, exit('b', { country: 'DE' })], target, exclude)).toBe('b');
  });
});

describe('when the target names an exit', () => {
  test('takes exactly that one', () => {
    expect(chosen([exit('a', { inFlight: 9 }), exit('b')], { exitId: 'a' })).toBe('a');
  });

  test('says EXIT_NOT_FOUND for one that is unknown, or that the tenant may not use', () => {
    const secret = exit('secret', { tenants: new Set(['other']) });
    const unknown = { kind: 'none', code: 'EXIT_NOT_FOUND', detail: 'There is no exit x.', sampled: false };
    expect(ask([secret], { exitId: 'x' })).toEqual(unknown);
    expect(ask([secret], { exitId: 'secret' })).toMatchObject({ code: 'EXIT_NOT_FOUND' });
  });

  test('says that it is full, closed, tried or elsewhere', () => {
    const target = { exitId: 'a' };
    const left = 'No exit is left of those that match exit_id=a (1 exit): ';
    expect(ask([exit('a', { inFlight: 10 })], target)).toMatchObject({
      code: 'EXIT_BUSY',
      detail: `${left}1 at the limit.`,
    });
    expect(ask([exit('a', { open: false })], target)).toMatchObject({
      code: 'NO_EXIT_AVAILABLE',
      detail: `${left}1 paused or draining.`,
    });
    expect(ask([exit('a')], target, [{ exitId: 'a', agentId: 'a' }])).toMatchObject({
      code: 'NO_EXIT_AVAILABLE',
      detail: `${left}1 tried by this job.`,
    });
    expect(ask([exit('a')], { ...target, country: 'DE' })).toMatchObject({
      code: 'NO_EXIT_AVAILABLE',
      detail: 'No exit matches exit_id=a (1 exit), country=DE (0 exits) of 1 connected.',
    });
  });
});

describe('when there is none, it says', () => {
  test('that no exit is connected', () => {
    expect(ask([])).toEqual({
      kind: 'none',
      code: 'NO_EXIT_AVAILABLE',
      detail: 'No exit is connected.',
      sampled: false,
    });
  });

  test('how many exits each wish leaves', () => {
    const fleet = [exit('a', { country: 'DE' }), exit('b', { country: 'DE' }), exit('c')];
    expect(ask(fleet, { country: 'DE', labels: new Map([['tier', 'gold']]) })).toMatchObject({
      code: 'NO_EXIT_AVAILABLE',
      detail: 'No exit matches country=DE (2 exits), label tier=gold (0 exits) of 3 connected.',
    });
  });

  test('EXIT_BUSY when one that matches is only full', () => {
    const fleet = [exit('a', { inFlight: 10 }), exit('b', { open: false }), exit('c')];
    expect(ask(fleet, {}, [{ exitId: 'c', agentId: 'c' }])).toMatchObject({
      code: 'EXIT_BUSY',
      detail: 'No exit is left of 3 exits connected: 1 at the limit, 1 paused or draining, 1 tried by this job.',
    });
  });

  test('no number above what the tenant may use', () => {
    const others = Array.from({ length: 9 }, (_, i) => exit(`o${i}`, { country: 'DE', tenants: new Set(['other']) }));
    expect(ask([exit('a'), ...others], { country: 'DE' })).toMatchObject({
      detail: 'No exit matches country=DE (1 exit) of 1 connected.',
    });
  });

  test('that it looked at some of the exits only', () => {
    const fleet = Array.from({ length: 5_000 }, (_, i) => exit(`${i}`, { inFlight: 10 }));
    expect(ask(fleet)).toMatchObject({
      code: 'EXIT_BUSY',
      sampled: true,
      detail: 'No exit is left of 5000 exits connected: 4096 at the limit. Only 4096 of 5000 exits were looked at.',
    });
  });
});

describe('what it costs', () => {
  const gold = new Map([['tier', 'gold']]);
  const even = new Map([['parity', 'even']]);
  const labels = (i: number) => (i % 10_000 === 0 ? new Map([...gold, ...even]) : i % 2 === 0 ? even : new Map());
  const fleet = new FakeFleet(
    Array.from({ length: 30_000 }, (_, i) => exit(`${i}`, { country: i % 2 ? 'FR' : 'DE', labels: labels(i) })),
  );

  function looks(target: Target): [kind: string, looks: number] {
    fleet.touched = 0;
    const { kind } = choose({ target, tenant: 'acme', fleet, exclude: [], random: Math.random });
    return [kind, fleet.touched];
  }

  test.each([
    ['nothing is asked', anyTarget],
    ['one exit in two matches', { ...anyTarget, country: 'DE' }],
    ['one exit in ten thousand matches', { ...anyTarget, country: 'DE', labels: new Map([...gold, ...even]) }],
  ])('is a few looks when %s', (_, target) => {
    const [kind, touched] = looks(target);
    expect(kind).toBe('chosen');
    expect(touched).toBeLessThanOrEqual(64);
  });

  test('is bounded when large sets share nothing', () => {
    expect(looks({ ...anyTarget, country: 'FR', labels: even })).toEqual(['none', 32 + 4_096]);
  });
});

const anyExit = fc.record({
  country: fc.constantFrom('DE', 'FR'),
  open: fc.boolean(),
  inFlight: fc.integer({ min: 0, max: 2 }),
  capacity: fc.constantFrom(1, 2, 3),
  recentSuccess: fc.double({ min: 0, max: 1, noNaN: true }),
  tenants: fc.constantFrom(new Set<string>(), new Set(['acme']), new Set(['other'])),
});

test('finds an exit exactly when one fits, and what it finds fits', () => {
  const setting = fc.record({
    exits: fc.array(anyExit, { maxLength: 12 }),
    country: fc.constantFrom('', 'DE', 'FR'),
    tried: fc.subarray([0, 1, 2]),
    seed: fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
  });
  fc.assert(
    fc.property(setting, ({ exits, country, tried, seed }) => {
      const all = exits.map((given, i) => exit(`${i}`, given));
      const exclude = tried.map((i) => ({ exitId: `${i}`, agentId: `${i}` }));
      const fits = all.filter(
        (one) =>
          one.open &&
          one.inFlight < one.capacity &&
          (country === '' || one.country === country) &&
          !one.tenants.has('other') &&
          !exclude.some(({ exitId }) => exitId === one.exitId),
      );
      const choice = choose({
        target: { ...anyTarget, country },
        tenant: 'acme',
        fleet: new FakeFleet(all),
        exclude,
        random: () => seed.next().value,
      });
      if (choice.kind === 'chosen') expect(fits).toContain(choice.candidate);
      else expect(fits).toEqual([]);
    }),
  );
});
