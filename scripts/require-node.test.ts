// The await below stands at the top level on purpose: it parses in an ES module only, and without its flag Jest would
// run every test as CommonJS in silence.
import { readFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';

const script = await readFile(new URL('./require-node.cjs', import.meta.url), 'utf8');

/** What the check says and the status it exits with, on a Node of that version. */
function checkOn(node: string): { said: string; status: number | undefined } {
  let said = '';
  let status: number | undefined;
  const process = {
    versions: { node },
    version: `v${node}`,
    stderr: { write: (text: string) => (said += text) },
    exit: (code: number) => (status = code),
  };
  runInNewContext(script, { process });
  return { said, status };
}

test.each(['18.20.4', '20.20.2', '22.18.0'])('Node %s is told in one sentence what to do', (node) => {
  const { said, status } = checkOn(node);
  expect(status).toBe(1);
  expect(said).toContain(`this is v${node}: run \`npm ci\``);
  expect(said.trimEnd().split('\n').length).toBe(1);
});

test.each(['22.19.0', '24.21.0', '26.0.0'])('Node %s is taken without a word', (node) => {
  expect(checkOn(node)).toEqual({ said: '', status: undefined });
});
