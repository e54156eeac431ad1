// What the bundled agent does before anything else.
import { readFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { prelude } from './agent-prelude.ts';
import { checkOn } from './pretend-node.ts';

const requireNode = await readFile(new URL('./require-node.cjs', import.meta.url), 'utf8');

describe('the prelude of the bundled agent', () => {
  test.each(['18.20.4', '20.20.2', '22.18.0'])('sends Node %s away with one sentence', (node) => {
    const { said, status } = checkOn(prelude, node);
    expect(status).toBe(1);
    expect(said).toContain(`this is v${node}: install Node 24`);
    expect(said.trimEnd().split('\n')).toHaveLength(1);
  });

  test.each(['22.19.0', '24.21.0', '26.0.0'])('takes Node %s without a word', (node) => {
    expect(checkOn(prelude, node)).toEqual({ said: '', status: undefined });
  });

  test.each(['18.20.4', '22.18.0', '22.19.0', '24.0.0'])('judges Node %s as the check of the sources does', (node) => {
    expect(checkOn(prelude, node).status).toBe(checkOn(requireNode, node).status);
  });

  test('gives the modules of Node and refuses all others', () => {
    const take = (name: string) => runInNewContext(`${prelude}require(${JSON.stringify(name)})`, { process });
    expect(take('node:fs')).toHaveProperty('existsSync');
    expect(take('util')).toHaveProperty('inspect');
    expect(() => take('bufferutil')).toThrow('bufferutil is no part of Node');
  });
});
