// Figures that survive noise: the median of several runs, and how far they lay apart.

export interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function figure(values: readonly number[]): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: round(percentile(sorted, 0.5)),
    min: round(percentile(sorted, 0)),
    max: round(percentile(sorted, 1)),
  };
}

/** Of values in rising order, between neighbours where it falls between. */
export function percentile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

export function show({ median, min, max }: Figure): string {
  return `${median} (${min}-${max})`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
