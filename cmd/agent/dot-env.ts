// The settings of a `.env` in the working folder, for whoever starts the agent by hand. The real environment wins, and
// nothing is put into it. Node's own parser skips what it cannot read; here that is a fault, named by its line and
// never shown: it may hold the key.
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

export interface MergedEnv {
  readonly env: NodeJS.ProcessEnv;
  readonly faults: string[];
}

export function withDotEnv(env: NodeJS.ProcessEnv, path = '.env'): MergedEnv {
  try {
    const text = readText(path);
    const faults = faultsOf(text).map((fault) => `${path}, ${fault}`);
    return { env: { ...parseEnv(text), ...env }, faults };
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
    return { env, faults: code === 'ENOENT' ? [] : [`${path}: cannot be read (${String(code)})`] };
  }
}

/** Notepad begins a file with a byte order mark. */
function readText(path: string): string {
  return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
}

function faultsOf(text: string): string[] {
  const faults: string[] = [];
  const lines = text.split(/\r?\n/);
  for (let at = 0; at < lines.length; ) {
    const { fault, next } = checkLine(lines, at);
    if (fault !== undefined) faults.push(`line ${at + 1}: ${fault}`);
    at = next;
  }
  return faults;
}

const assignment = /^(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=\s*(.*)$/;

/** `next` is where the following setting begins: a quoted value may go on over several lines. */
function checkLine(lines: readonly string[], at: number): { fault?: string; next: number } {
  const line = (lines[at] ?? '').trim();
  if (line === '' || line.startsWith('#')) return { next: at + 1 };
  const value = assignment.exec(line)?.[1];
  if (value === undefined) return { fault: 'must be NAME=VALUE', next: at + 1 };
  const quote = value.charAt(0);
  if (quote === '' || !`"'\``.includes(quote) || value.includes(quote, 1)) return { next: at + 1 };
  const last = lines.findIndex((other, index) => index > at && other.includes(quote));
  return last === -1 ? { fault: 'its quotation mark is never closed', next: at + 1 } : { next: last + 1 };
}
