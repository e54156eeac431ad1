// Which exits a job asks for: the target as the fleet can look it up. Country and region are written in capitals there.
import type { Target as TargetMessage } from '../../../../gen/resproxy/v1/target_pb.ts';
import { anyTarget, type Target } from '../../route/candidate.ts';
import { bounds } from './bounds.ts';
import { invalid, refuseUnknown } from './faults.ts';

const countryPattern = /^[A-Z]{2}$/;
const regionPattern = /^[A-Z0-9]{1,3}$/;
/** Cities and label values are written by people. */
const textPattern = /^[^\p{C}]{0,128}$/u;
const labelNamePattern = /^[A-Za-z0-9._-]{1,128}$/;
/** `<key name>/<AGENT_NAME>/<exit name>` */
const exitIdPattern = /^[A-Za-z0-9._-]{1,128}\/[a-z0-9-]{1,63}\/[a-z0-9-]{1,63}$/;
/** Labels of an exit by these names fill the fields of the target that are called the same. */
const fieldsOfTheirOwn = new Set(['country', 'region', 'city', 'asn']);
const noLabels: ReadonlyMap<string, string> = new Map();

export function checkedTarget(target: TargetMessage | undefined): Target {
  if (!target) return anyTarget;
  refuseUnknown('target', target);
  const country = target.country.toUpperCase();
  const region = target.region.toUpperCase();
  if (country !== '' && !countryPattern.test(country))
    throw invalid('target.country', 'must be two letters (ISO 3166-1 alpha-2)');
  if (region !== '' && !regionPattern.test(region))
    throw invalid('target.region', 'must be 1 to 3 letters or digits (ISO 3166-2 without the country)');
  if (!textPattern.test(target.city))
    throw invalid('target.city', 'must be at most 128 characters, none of them a control character');
  if (target.exitId !== '' && !exitIdPattern.test(target.exitId))
    throw invalid('target.exit_id', 'must be the id of an exit, such as berlin-1/default/direct');
  return {
    country,
    region,
    city: target.city,
    asn: target.asn,
    exitId: target.exitId,
    labels: checkedLabels(target.labels),
  };
}

function checkedLabels(labels: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const names = Object.keys(labels);
  if (names.length === 0) return noLabels;
  if (names.length > bounds.maxLabels) throw invalid('target.labels', `are more than ${bounds.maxLabels}`);
  const checked = new Map<string, string>();
  for (const name of names) {
    if (!labelNamePattern.test(name))
      throw invalid('target.labels', 'have a name that is not 1 to 128 letters, digits, dots, underscores and dashes');
    if (fieldsOfTheirOwn.has(name)) throw invalid(`target.labels.${name}`, `is a field of its own: target.${name}`);
    const value = labels[name] ?? '';
    if (!textPattern.test(value))
      throw invalid(`target.labels.${name}`, 'must be at most 128 characters, none of them a control character');
    checked.set(name, value);
  }
  return checked;
}
