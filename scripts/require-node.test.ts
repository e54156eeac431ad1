// The await below stands at the top level on purpose: it parses in an ES module only, and without its flag Jest would
// run every test as CommonJS in silence.
import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { checkOn } from './pretend-node.ts';

const script = await readFile(new URL('./require-node.cjs', import.meta.url), 'utf8');

test.each(['18.20.4', '20.20.2', '22.18.0'])('Node %s is told in one sentence what to do', (node) => {
  const { said, status } = checkOn(script, node);
  expect(status).toBe(1);
  expect(said).toContain(`this is v${node}: run \`npm ci\``);
  expect(said.trimEnd().split('\n').length).toBe(1);
});

test.each(['22.19.0', '24.21.0', '26.0.0'])('Node %s is taken without a word', (node) => {
  expect(checkOn(script, node)).toEqual({ said: '', status: undefined });
});
