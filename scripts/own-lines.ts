// A source map cut down to the lines that are ours. Node reads a map whole when it loads the file that it belongs to: with
// every package in it, a pod would hold 60 MiB more for the day on which somebody asks.

export interface SourceMap {
  readonly sources: readonly string[];
  /** Base64 VLQ, https://tc39.es/ecma426/: `;` between lines, `,` between segments, each a difference to the last. */
  readonly mappings: string;
}

/** Of a segment: the generated column; which source, its line and its column. Names are left out: ours are kept. */
type Place = [number, number, number, number];

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

export function ownLines<M extends SourceMap>(map: M, isOwn: (source: string) => boolean): M {
  const sources = map.sources.filter(isOwn);
  const seen: Place = [0, 0, 0, 0];
  const told: Place = [0, 0, 0, 0];
  let open = false;
  const keep = (segment: string): string[] => {
    const differences = decode(segment).slice(0, 4);
    for (const [field, difference] of differences.entries()) seen[field] = (seen[field] ?? 0) + difference;
    const [column, source, ...place] = seen;
    const index = differences.length === 4 ? sources.indexOf(map.sources[source] ?? '') : -1;
    // Where ours ends has to be said, and once is enough.
    if (index < 0 && !open) return [];
    open = index >= 0;
    return [encodeFrom(told, open ? [column, index, ...place] : [column])];
  };
  const lines = map.mappings.split(';').map((line) => {
    seen[0] = 0;
    told[0] = 0;
    return line.split(',').filter(Boolean).flatMap(keep).join(',');
  });
  return { ...map, sources, names: [], mappings: lines.join(';') };
}

function encodeFrom(told: Place, fields: readonly number[]): string {
  const text = fields.map((value, field) => encode(value - (told[field] ?? 0)));
  for (const [field, value] of fields.entries()) told[field] = value;
  return text.join('');
}

/** Five bits a digit, the lowest first; the sixth says that more follow, the very lowest is the sign. */
function encode(value: number): string {
  let rest = value < 0 ? -value * 2 + 1 : value * 2;
  let text = '';
  do {
    const more = rest >= 32 ? 32 : 0;
    text += digits[(rest % 32) + more];
    rest = Math.floor(rest / 32);
  } while (rest > 0);
  return text;
}

function decode(segment: string): number[] {
  const values: number[] = [];
  let value = 0;
  let weight = 1;
  for (const digit of segment) {
    const bits = digits.indexOf(digit);
    value += (bits % 32) * weight;
    weight *= 32;
    if (bits >= 32) continue;
    values.push(value % 2 === 0 ? value / 2 : -(value - 1) / 2);
    value = 0;
    weight = 1;
  }
  return values;
}
