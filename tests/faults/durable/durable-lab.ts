// A fleet with durable jobs: callers that hand them over, a receiver of callbacks, and a look into the store. At the end
// it waits until everything is over, writes down what became of it and asks for the verdict.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { openReceiver, type Receiver } from '../../../internal/orchestrator/callbacks/receiver-fixture.ts';
import { projectDir } from '../../harness/process.ts';
import { full, say } from '../../harness/run.ts';
import type { Use } from '../../harness/story.ts';
import { TempDir } from '../../harness/temp.ts';
import { until } from '../../harness/waiting.ts';
import { FaultLab } from '../lab.ts';
import { ofDurableJobs } from '../rules.ts';
import type { Minimums } from '../verdict.ts';
import { recordEnds } from './ends.ts';
import { Stored } from './stored.ts';
import { Submits } from './submits.ts';
import { grpcSubmitter, markerLabel, restSubmitter } from './submitters.ts';

const podNames = ['pod-a', 'pod-b'];
const agents = 3;
const submittersPerDoor = 3;
/** A lease of a job, attempts after it, and a lease of its callback. */
const drainBoundMs = full ? 180_000 : 45_000;

export class DurableLab {
  readonly lab: FaultLab;
  readonly submits: Submits;
  readonly #stored: Stored;
  readonly #receiver: Receiver;

  private constructor(parts: { lab: FaultLab; submits: Submits; stored: Stored; receiver: Receiver }) {
    this.lab = parts.lab;
    this.submits = parts.submits;
    this.#stored = parts.stored;
    this.#receiver = parts.receiver;
  }

  /** Jobs are handed over from now on. */
  static async start(use: Use): Promise<DurableLab> {
    const receiver = use(await openReceiver());
    const env = await podEnv(use(await TempDir.make()), receiver.port);
    const lab = await FaultLab.start(use, { pods: podNames, agents, env });
    const stored = use(await Stored.open(lab.fleet.redis.url));
    const [grpcPort, httpPort] = [lab.balancer.port('grpc'), lab.balancer.port('http')];
    const address = { via: 'balancer', grpcPort, httpPort, token: lab.fleet.access.token };
    const doors = Array.from({ length: submittersPerDoor }, () => [grpcSubmitter(address), restSubmitter(address)]);
    const { origin, recorder } = lab;
    const exitIds = lab.agentNames.map((name) => `home-1/${name}/direct`);
    const callbackUrl = receiver.url().href;
    const submits = Submits.start({ submitters: doors.flat(), origin, recorder, exitIds, callbackUrl });
    return new DurableLab({ lab, submits, stored, receiver });
  }

  async settle(title: string, minimums: Minimums): Promise<void> {
    const { lab, submits } = this;
    await submits.stop();
    const begin = performance.now();
    await until('nothing is left', async () => (await this.#left()).length === 0, drainBoundMs).catch(() => {});
    const drainedMs = Math.round(performance.now() - begin);
    for (const what of await this.#left()) lab.recorder.add({ kind: 'left', what });
    for (const { headers, body } of this.#receiver.received) {
      const { data } = JSON.parse(body) as { data: { labels: Record<string, string> } };
      const webhookId = String(headers['webhook-id']);
      lab.recorder.add({ kind: 'told', job: data.labels[markerLabel] ?? '', webhookId });
    }
    const counts = [...(await recordEnds(lab, this.#stored))].map(([state, jobs]) => `${state} ${jobs}`);
    say(`${title}: ${counts.join(', ')}; ${this.#receiver.received.length} callbacks; drained in ${drainedMs} ms`);
    lab.verdict(title, ofDurableJobs, minimums);
  }

  #left(): Promise<readonly string[]> {
    return this.#stored.left();
  }
}

async function podEnv(dir: TempDir, receiverPort: number): Promise<Record<string, string>> {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const file = dir.file('callback-secrets.json');
  await writeFile(file, JSON.stringify({ secrets: [{ tenant: 'acme', secrets: [secret] }] }));
  return {
    RESPROXY_CALLBACK_ALLOW: `127.0.0.1/32:${receiverPort}`,
    RESPROXY_CALLBACK_SECRETS: `file:${file}`,
    ...(full ? {} : { NODE_OPTIONS: `--import=${projectDir}tests/faults/durable/short-leases-main.ts` }),
  };
}
