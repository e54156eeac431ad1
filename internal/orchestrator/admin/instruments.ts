// How the metrics of every room are made: values that are kept elsewhere are read at each scrape, and the child of a
// label is looked up once.
import { Counter, Gauge, type Registry } from 'prom-client';

/** A gauge whose value is kept elsewhere, and read at each scrape. */
export function readAtScrape(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

/** A counter whose sum is kept elsewhere, as a plain number, and read at each scrape. */
export function countAtScrape(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

/** A gauge whose values somebody else knows; while nobody answers it has none. */
export function askedAtScrape(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  ask: () => Promise<readonly [labels: Record<string, string | number>, value: number][]>,
) {
  new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    async collect() {
      const values = await ask().catch(() => []);
      this.reset();
      for (const [labels, value] of values) this.set(labels, value);
    },
  });
}

/** A counter with one label whose sums are kept elsewhere, as plain numbers, and read at each scrape. */
export function summed(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  sums: () => Iterable<[string, number]>,
) {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, sum] of sums()) this.inc({ [label]: value }, sum);
    },
  });
}

/** Remembers the child of a metric by its label; the labels come from closed lists. */
export function childOf<C>(make: (label: string) => C): (label: string) => C {
  const children = new Map<string, C>();
  return (label) => {
    const known = children.get(label);
    if (known !== undefined) return known;
    const child = make(label);
    children.set(label, child);
    return child;
  };
}

export function childOf2<C>(make: (first: string, second: string) => C): (first: string, second: string) => C {
  const byFirst = childOf((first) => childOf((second) => make(first, second)));
  return (first, second) => byFirst(first)(second);
}
