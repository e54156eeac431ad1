// Everything on one machine: the echo origin in this process, an orchestrator and one agent as real processes over the
// real channel, and one job through the whole path before anything is shown.
//
// Stopping: first the agent, which finishes the jobs it has while the orchestrator still hands their answers to the
// callers; then the orchestrator, which by then has nothing left; then the echo, which jobs may need until then.
import { randomBytes } from 'node:crypto';
import { relative, resolve } from 'node:path';
import type { Clock } from '../kit/clock.ts';
import type { App } from '../kit/program.ts';
import { Child } from './child.ts';
import { agentEnv, type LocalConfig, orchestratorEnv } from './child-env.ts';
import { type DevCredentials, devCredentials } from './credentials.ts';
import { EchoOrigin } from './echo.ts';
import { type Facts, screen } from './screen.ts';
import { runCheck, waitForAgent } from './self-check.ts';

export interface LocalParts {
  readonly version: string;
  readonly clock: Clock;
  readonly write: (text: string) => void;
  /** Called once when a program ends that nobody asked to; the app still has to be stopped. */
  readonly onDeath: (why: string) => void;
}

const doors = ['http', 'grpc', 'agent', 'admin'] as const;
/** More than the children's own grace. */
const agentStopMs = 12_000;
const orchestratorStopMs = 12_000;

export class LocalApp implements App {
  readonly #config: LocalConfig;
  readonly #parts: LocalParts;
  readonly #echo = new EchoOrigin();
  readonly #stopping = new AbortController();
  #orchestrator: Child | undefined;
  #agent: Child | undefined;
  #running = false;

  constructor(config: LocalConfig, parts: LocalParts) {
    this.#config = config;
    this.#parts = parts;
  }

  async start(): Promise<void> {
    try {
      this.#parts.write(screen(await this.#startAll()));
      this.#running = true;
    } catch (error) {
      // Ctrl-C while starting is no failure.
      if (this.#stopping.signal.aborted) return;
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#stopping.abort();
    await this.#agent?.stop(agentStopMs);
    await this.#orchestrator?.stop(orchestratorStopMs);
    await this.#echo.stop();
  }

  async #startAll(): Promise<Facts> {
    const { dir } = this.#config;
    const credentials = await devCredentials(dir, randomBytes);
    await this.#echo.start();
    const ports = await this.#startOrchestrator(credentials);
    const door = { url: `http://127.0.0.1:${ports.http}`, token: credentials.token };
    this.#startAgent(credentials, ports.agent);
    const { clock, version } = this.#parts;
    const { signal } = this.#stopping;
    await this.#unlessOneDies(waitForAgent(door, clock, signal));
    const echoUrl = `http://127.0.0.1:${this.#echo.port}/echo`;
    const check = await this.#unlessOneDies(runCheck(door, echoUrl, clock, signal));
    const shownDir = relative(process.cwd(), resolve(dir)) || '.';
    return { version, ports, echoPort: this.#echo.port, check, made: credentials.made, dir: shownDir };
  }

  async #startOrchestrator(credentials: DevCredentials): Promise<Facts['ports']> {
    const { dir, env } = this.#config;
    this.#orchestrator = this.#watch(
      new Child({
        name: 'orchestrator',
        script: 'cmd/orchestrator/main.ts',
        cwd: dir,
        env: { ...env, ...orchestratorEnv(this.#config, credentials) },
        logFile: resolve(dir, 'orchestrator.log'),
      }),
    );
    return this.#unlessOneDies(listening(this.#orchestrator));
  }

  #startAgent(credentials: DevCredentials, agentPort: number): void {
    const { dir, env } = this.#config;
    this.#agent = this.#watch(
      new Child({
        name: 'agent',
        script: 'cmd/agent/main.ts',
        cwd: dir,
        env: { ...env, ...agentEnv(this.#config, credentials, agentPort, this.#echo.port) },
        logFile: resolve(dir, 'agent.log'),
      }),
    );
  }

  #watch(child: Child): Child {
    void child.ended.then((why) => {
      if (!this.#running) return;
      this.#running = false;
      this.#parts.onDeath(why);
    });
    return child;
  }

  /** While starting, the end of a child is why the start failed. */
  #unlessOneDies<T>(work: Promise<T>): Promise<T> {
    const deaths = [this.#orchestrator, this.#agent].flatMap((child) => (child ? [child.ended] : []));
    const death = Promise.race(deaths).then((why): never => {
      throw new Error(why);
    });
    return Promise.race([work, death]);
  }
}

/** Resolves when every door listens. */
function listening(orchestrator: Child): Promise<Facts['ports']> {
  const ports = { http: 0, grpc: 0, agent: 0, admin: 0 };
  return new Promise((resolve) => {
    orchestrator.onLine(({ msg, door, port }) => {
      const found = doors.find((name) => name === door);
      if (msg !== 'listening' || !found || typeof port !== 'number') return;
      ports[found] = port;
      if (doors.every((name) => ports[name] > 0)) resolve(ports);
    });
  });
}
