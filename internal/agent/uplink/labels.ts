// What the owner of an agent claims of its exit: a claim that a pod would refuse is better told at the start.
import { labelFault } from '../../wire/labels.ts';
import { limits } from '../../wire/limits.ts';

export const maxLabels = limits.maxLabelsPerExit;

/** One `NAME=VALUE`; throws an Error that says what is wrong. */
export function parseLabel(item: string): readonly [name: string, value: string] {
  const at = item.indexOf('=');
  if (at === -1) throw new Error('must be NAME=VALUE');
  const name = item.slice(0, at).trim();
  const value = item.slice(at + 1).trim();
  if (value === '') throw new Error('must have a value behind the =');
  const fault = labelFault(name, value);
  if (fault !== undefined) throw new Error(`${name} ${fault}`.trim());
  return [name, value];
}
