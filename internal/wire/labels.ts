// What an exit may be called. Labels come from keys and from the agents' own claims, and callers choose exits by them; an
// owner is told at home, by the same rules, what a pod would refuse.
import { limits } from './limits.ts';

interface LabelRule {
  readonly pattern: RegExp;
  /** Completes "LABEL ...". */
  readonly fault: string;
}

const { maxLabelsPerExit } = limits;
const nameRule: LabelRule = {
  pattern: /^[A-Za-z0-9._-]{1,128}$/,
  fault: 'is no label name: 1 to 128 letters, digits, dots, underscores and dashes',
};
const valueRule: LabelRule = {
  pattern: /^[^\p{C}]{0,128}$/u,
  fault: 'must be at most 128 characters, none of them a control character',
};
/** These names fill typed fields. */
const reservedRules: ReadonlyMap<string, LabelRule> = new Map([
  ['country', { pattern: /^[A-Z]{2}$/, fault: 'must be two capital letters (ISO 3166-1 alpha-2)' }],
  ['region', { pattern: /^[A-Z0-9]{1,3}$/, fault: 'must be 1 to 3 capital letters or digits (ISO 3166-2)' }],
  ['city', { pattern: /^[^\p{C}]{1,128}$/u, fault: 'must be 1 to 128 characters, none of them a control character' }],
  ['asn', { pattern: /^[1-9]\d{0,9}$/, fault: 'must be a number from 1 to 4294967295' }],
]);

/** What is wrong with one label, completing "LABEL ..."; undefined when nothing is. Never holds a value. */
export function labelFault(label: string, value: string): string | undefined {
  if (!nameRule.pattern.test(label)) return nameRule.fault;
  const rule = reservedRules.get(label) ?? valueRule;
  return rule.pattern.test(value) && !(label === 'asn' && Number(value) >= 2 ** 32) ? undefined : rule.fault;
}

export interface LabelFault {
  readonly label: string;
  readonly fault: string;
}

/** The first thing that is wrong with the labels; undefined when nothing is. */
export function findLabelFault(labels: Readonly<Record<string, string>>): LabelFault | undefined {
  const entries = Object.entries(labels);
  if (entries.length > maxLabelsPerExit) return { label: '', fault: `are more than ${maxLabelsPerExit}` };
  for (const [label, value] of entries) {
    const fault = labelFault(label, value);
    if (fault !== undefined) return { label, fault };
  }
  return undefined;
}

export function isReserved(label: string): boolean {
  return reservedRules.has(label);
}
