// Which of two connections of one agent id counts. A different process wins at once, since nobody can tell it from a
// restart; connections of one process are ordered by its own count, and one that leaves may finish its jobs.
import type { Identity } from './connection-api.ts';

export type Newcomer = Pick<Identity, 'instanceId' | 'connectSeq'>;

/** The same process has a newer connection here: the newcomer was overtaken on its way. */
export function isOvertaken(newcomer: Newcomer, present: Newcomer): boolean {
  return newcomer.instanceId === present.instanceId && newcomer.connectSeq <= present.connectSeq;
}

/** Whether the one that is here must end because of the newcomer, which is not overtaken. */
export function mustYield(present: Newcomer & { readonly leaving: boolean }, newcomer: Newcomer): boolean {
  return present.instanceId !== newcomer.instanceId || !present.leaving;
}
