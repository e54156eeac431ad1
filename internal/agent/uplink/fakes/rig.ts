// For tests: an uplink on a clock that stands still, with a pod, an egress and a log of the test's own.
import { ManualClock } from '../../../kit/manual-clock.ts';
import { directExit, Exits } from '../exits.ts';
import { Jobs } from '../jobs.ts';
import { Journal } from '../journal.ts';
import { Uplink } from '../uplink.ts';
import { FakePod } from './fake-pod.ts';
import { FakeRunner } from './fake-runner.ts';
import { LogTap } from './log-tap.ts';

export class Rig {
  readonly clock = new ManualClock();
  readonly log = new LogTap();
  readonly runner = new FakeRunner();
  readonly exits: Exits;
  readonly jobs: Jobs;
  readonly uplink: Uplink;
  readonly observed: string[] = [];
  readonly pod: FakePod;
  /** What the uplink takes for chance. */
  random = 0.5;

  private constructor(pod: FakePod, { capacity = 8, graceMs = 10_000 }: RigOptions) {
    const { clock, runner } = this;
    this.pod = pod;
    const journal = new Journal(this.log.logger, 'orchestrator.example');
    this.exits = new Exits([directExit(capacity, { country: 'DE' })]);
    this.jobs = new Jobs({ runner, exits: this.exits, journal, clock });
    this.uplink = new Uplink({
      target: { url: pod.url, key: 'the-secret-key', version: '1.2.3' },
      agentName: 'berlin',
      instanceId: 'instance-1',
      platform: 'linux-x64',
      graceMs,
      exits: this.exits,
      jobs: this.jobs,
      journal,
      clock,
      random: () => this.random,
      onObservedAddress: (address) => this.observed.push(address),
    });
  }

  static async start(options: RigOptions = {}): Promise<Rig> {
    const rig = new Rig(await FakePod.listen(), options);
    rig.pod.upgrades = options.upgrades ?? 'taken';
    rig.uplink.start();
    return rig;
  }

  async close(): Promise<void> {
    const stopped = this.uplink.stop('the test is over');
    await this.pod.close();
    await stopped;
  }
}

export interface RigOptions {
  readonly capacity?: number;
  readonly graceMs?: number;
  readonly upgrades?: FakePod['upgrades'];
}
