// A source map cut down to the lines that are ours. Whoever reads a map reads it whole: with every package in it, the first
// stack trace of a pod would cost it 60 MiB.
import { decode, encode, type SourceMapSegment } from '@jridgewell/sourcemap-codec';

export interface SourceMap {
  readonly sources: readonly string[];
  /** https://tc39.es/ecma426/ */
  readonly mappings: string;
}

export function ownLines<M extends SourceMap>(map: M, isOwn: (source: string) => boolean): M {
  const sources = map.sources.filter(isOwn);
  const indexes = map.sources.map((source) => sources.indexOf(source));
  let open = false;
  const keep = ([column, source = -1, line = 0, place = 0]: SourceMapSegment): SourceMapSegment[] => {
    const index = indexes[source] ?? -1;
    // Where ours ends has to be said, and once is enough.
    if (index < 0 && !open) return [];
    open = index >= 0;
    return [open ? [column, index, line, place] : [column]];
  };
  const mappings = encode(decode(map.mappings).map((line) => line.flatMap(keep)));
  return { ...map, sources, names: [], mappings };
}
