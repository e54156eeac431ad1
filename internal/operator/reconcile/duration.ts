// Durations as the API server takes them for `format: duration`: Go's, such as 1h30m, and days and weeks beside them.

const unitMs: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 7 * 86_400_000],
]);
const part = /(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|[smhdw])/y;

/** In milliseconds; undefined for what is no duration. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  let total = 0;
  part.lastIndex = 0;
  let end = 0;
  for (let match = part.exec(text); match; match = part.exec(text)) {
    total += Number(match[1]) * (unitMs.get(match[2] ?? '') ?? Number.NaN);
    end = part.lastIndex;
  }
  return end === text.length && end > 0 ? total : undefined;
}
