// What the owner of an agent may claim of its exit. The orchestrator reads the same rules; a claim that breaks one is
// better told to the owner at the start than dropped on the way.

const namePattern = /^[A-Za-z0-9._-]{1,128}$/;
const valuePattern = /^[^\p{C}]{1,128}$/u;
/** These names fill typed fields of the exit. */
const reserved: ReadonlyMap<string, readonly [holds: (value: string) => boolean, fault: string]> = new Map([
  ['country', [(value) => /^[A-Z]{2}$/.test(value), 'country must be two capital letters (ISO 3166-1 alpha-2)']],
  [
    'region',
    [(value) => /^[A-Z0-9]{1,3}$/.test(value), 'region must be 1 to 3 capital letters or digits (ISO 3166-2)'],
  ],
  ['asn', [(value) => /^[1-9]\d{0,9}$/.test(value) && Number(value) < 2 ** 32, 'asn must be a number below 2^32']],
]);

/** One `NAME=VALUE`; throws an Error that says what is wrong. */
export function parseLabel(item: string): readonly [name: string, value: string] {
  const at = item.indexOf('=');
  if (at === -1) throw new Error('must be NAME=VALUE');
  const name = item.slice(0, at).trim();
  const value = item.slice(at + 1).trim();
  if (!namePattern.test(name)) throw new Error('a name has 1 to 128 letters, digits, dots, underscores and dashes');
  if (!valuePattern.test(value)) throw new Error('a value has 1 to 128 characters, none of them a control character');
  const [holds, fault] = reserved.get(name) ?? [];
  if (holds && !holds(value)) throw new Error(fault);
  return [name, value];
}
