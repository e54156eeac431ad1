// Reads a pod's /metrics: sums of samples by name and by labels.

export class Metrics {
  readonly #samples: readonly Sample[];

  constructor(text: string) {
    this.#samples = text
      .split('\n')
      .map(parseSample)
      .filter((sample) => sample !== undefined);
  }

  static async scrape(adminPort: number): Promise<Metrics> {
    const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`, { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error(`/metrics answered ${response.status}`);
    return new Metrics(await response.text());
  }

  /** The sum of every sample of that name whose labels include these; throws when there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const found = this.#samples.filter((sample) => sample.name === name && includes(sample.labels, labels));
    if (found.length === 0) throw new Error(`no metric ${name}${JSON.stringify(labels)}`);
    return found.reduce((total, { value }) => total + value, 0);
  }

  has(name: string, labels: Readonly<Record<string, string>> = {}): boolean {
    return this.#samples.some((sample) => sample.name === name && includes(sample.labels, labels));
  }
}

interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

const line = /^(?<name>[a-z_:][a-z0-9_:]*)(?:\{(?<labels>.*)\})? (?<value>\S+)$/i;
const label = /([a-z_][a-z0-9_]*)="((?:[^"\\]|\\.)*)"/gi;

function parseSample(text: string): Sample | undefined {
  const { name, labels = '', value } = line.exec(text)?.groups ?? {};
  if (name === undefined) return undefined;
  const pairs = [...labels.matchAll(label)].map(([, key = '', content = '']) => [key, content] as const);
  return { name, labels: new Map(pairs), value: Number(value) };
}

function includes(labels: ReadonlyMap<string, string>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels.get(key) === value);
}
