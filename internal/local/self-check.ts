// Asks the orchestrator that was just started: does it know the agent, and does a job come back from the echo origin?
import { type Clock, sleep } from '../kit/clock.ts';

export interface Door {
  readonly url: string;
  readonly token: string;
}

export interface CheckedJob {
  readonly statusCode: number;
  readonly ms: number;
}

/** The parts of REST answers that are looked at. */
interface Answer {
  readonly message?: string;
  readonly result?: { readonly statusCode: number };
  readonly agents?: readonly unknown[];
}

const pollMs = 50;
const agentBoundMs = 15_000;
const requestBoundMs = 10_000;

/** Resolves when an agent is connected; rejects when none is in time. */
export async function waitForAgent(door: Door, clock: Clock, signal: AbortSignal): Promise<void> {
  const end = clock.now() + agentBoundMs;
  while (clock.now() < end) {
    const { agents = [] } = await ask(door, '/agents', signal);
    if (agents.length > 0) return;
    await sleep(clock, pollMs, signal);
  }
  throw new Error(`the agent was not connected within ${agentBoundMs / 1000} s`);
}

/** Runs one job to `url` through the whole path. */
export async function runCheck(door: Door, url: string, clock: Clock, signal: AbortSignal): Promise<CheckedJob> {
  const begin = clock.now();
  const answer = await ask(door, '/jobs?sync=true', signal, { url });
  const statusCode = answer.result?.statusCode;
  if (statusCode !== 200) throw new Error(`the self-check failed: ${answer.message ?? 'an answer without a message'}`);
  return { statusCode, ms: Math.round(clock.now() - begin) };
}

async function ask({ url, token }: Door, path: string, signal: AbortSignal, body?: object): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(requestBoundMs)]),
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return (await response.json()) as Answer;
}
