// Stack traces of the image's bundles name the lines that were written. Node's own --enable-source-maps reads every map
// when its file is loaded, which a pod pays with 15 MiB at its start; here a map is read when a trace first needs it.
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

type Maps = Map<string, SourceMap | undefined>;
/** As V8 writes it: `f (file:line:column)`. */
type Frame = NodeJS.CallSite & { toString(): string };

/** For the bundles in that folder, whose maps lie beside them. */
export function nameSourceLines(folder: URL): void {
  const maps: Maps = new Map();
  Error.prepareStackTrace = (error, frames) => {
    const lines = frames.map((frame) => `\n    at ${inSource(frame, folder, maps)}`);
    return `${Error.prototype.toString.call(error)}${lines.join('')}`;
  };
}

function inSource(frame: Frame, folder: URL, maps: Maps): string {
  const text = frame.toString();
  const [file, line, column] = [frame.getFileName(), frame.getLineNumber(), frame.getColumnNumber()];
  if (!file?.startsWith(folder.href) || line === null || column === null) return text;
  const origin = mapOf(file, maps)?.findOrigin(line, column);
  if (!origin || !('fileName' in origin) || !origin.fileName) return text;
  return text.replace(`${file}:${line}:${column}`, `${origin.fileName}:${origin.lineNumber}:${origin.columnNumber}`);
}

function mapOf(file: string, maps: Maps): SourceMap | undefined {
  if (!maps.has(file)) maps.set(file, readMap(`${fileURLToPath(file)}.map`));
  return maps.get(file);
}

function readMap(path: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}
