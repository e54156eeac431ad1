// What Redis holds of the durable jobs, read key by key behind the back of the pods: what they tell of a job is one
// thing, what they have left behind is another.
import { type EndState, hasEnded, type JobState } from '../../../internal/orchestrator/jobs/job.ts';
import { partitionTag } from '../../../internal/orchestrator/jobs/redis/keys.ts';
import { TestClient } from '../../harness/redis-client.ts';

const tag = partitionTag('rp', 0);
const tenant = 'acme';

/** Keys of what is not over: a job that has ended stands in none of them. */
const ofOpenJobs = /^(ready:.*|turns|left|parked:.*|targets|open|alarm:(ready|expiry|lease|delivery))$/;

export class Stored {
  readonly #client: TestClient;

  private constructor(client: TestClient) {
    this.#client = client;
  }

  static async open(url: string): Promise<Stored> {
    return new Stored(await TestClient.up(url));
  }

  /** The terminal states that the events of a job tell of. */
  async endsOf(jobId: string): Promise<EndState[]> {
    const events = await this.#call('LRANGE', `${tag}:events:${tenant}/${jobId}`, 0, -1);
    return events.map((event) => (JSON.parse(event) as { state: JobState }).state).filter(hasEnded);
  }

  /** In words; nothing when all jobs are over and all receivers told. */
  async left(): Promise<string[]> {
    const keys = (await this.#call('KEYS', `${tag}:*`)).map((key) => key.slice(tag.length + 1));
    const states = await this.#call('HGETALL', `${tag}:states`);
    const open = states.flatMap((field, i) => {
      const [state = ''] = field.split('/');
      return i % 2 === 0 && !hasEnded(state as JobState) ? [`${states[i + 1]} jobs are ${state}`] : [];
    });
    return [...keys.filter((key) => ofOpenJobs.test(key)), ...open];
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #call(command: string, ...args: readonly (string | number)[]): Promise<readonly string[]> {
    return (await this.#client.redis.call(command, args)) as readonly string[];
  }
}
