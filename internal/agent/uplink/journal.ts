// Every line about the connection that the owner of an agent reads in its log, in one place: a plain sentence, and
// beside it fields for machines. Never a key.
import type { Open, Welcome } from '../../../gen/resproxy/v1/channel_pb.ts';
import type { Logger } from '../../kit/log.ts';
import type { Ending } from './ending.ts';
import { endingWords } from './ending-words.ts';

export class Journal {
  readonly #log: Logger;
  /** The host that ORCH_WS names. */
  readonly #orchestrator: string;

  constructor(log: Logger, orchestrator: string) {
    this.#log = log;
    this.#orchestrator = orchestrator;
  }

  dialling(): void {
    this.#log.debug(`Connecting to ${this.#orchestrator}.`);
  }

  connected({ podId, connectionId, observedAddress, protocol }: Welcome): void {
    const fields = { pod: podId, connection: connectionId, address: observedAddress, protocol };
    this.#log.info(fields, `Connected to ${this.#orchestrator}. Ready for jobs.`);
  }

  podDrains(graceMs: number): void {
    this.#log.info({ graceMs }, 'The orchestrator asks this agent to move to another of its machines. Jobs go on.');
  }

  drained(): void {
    this.#log.info('The connection that drained is closed.');
  }

  /** A connection, or a try at one, ended, and another try follows. */
  reconnecting(ending: Ending, delayMs: number): void {
    const { level, words } = endingWords(ending);
    const fields = { ending: ending.kind, ...endingNumber(ending), delayMs: Math.round(delayMs) };
    this.#log[level](fields, `${words} Next try in ${seconds(delayMs)}.`);
  }

  stopping(reason: string, running: number, graceMs: number): void {
    const jobs = running === 0 ? 'No job runs' : `Jobs that run: ${running}. They have ${seconds(graceMs)} to finish`;
    this.#log.info({ reason, running, graceMs }, `Stopping. ${jobs}.`);
  }

  stopped(): void {
    this.#log.info('Stopped.');
  }

  /** This agent did not begin the job; of those that it began, the egress tells. */
  jobRefused({ jobId, exit }: Open, why: string): void {
    this.#log.info({ jobId, exit }, `Job refused: ${why}.`);
  }
}

function endingNumber(ending: Ending): { status?: number; closeCode?: number; reason?: string } {
  if (ending.kind === 'refused') return { status: ending.status };
  return ending.kind === 'closed' ? { closeCode: ending.code, reason: ending.reason } : {};
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
