// The egress guard's whole table against its real policy. That no packet left is counted by the interface, not believed
// of the guard's own log; and in the same network, what is allowed arrives.
import { expect } from '@jest/globals';
import { allowedRows, rebindingRow, redirectRows, refusedRows } from '../harness/guard-rows.ts';
import { inPrivateNetwork } from '../harness/netns.ts';
import { Program, projectDir } from '../harness/process.ts';
import { shared, story } from '../harness/story.ts';

interface Outcome {
  readonly name: string;
  readonly status: number;
  readonly code?: string;
  readonly sent: { readonly lo: number; readonly home: number };
  readonly reached: readonly string[];
}

const outcomes = shared(async (use) => {
  const lab = new Program({
    name: 'guard lab',
    ...inPrivateNetwork([process.execPath, `${projectDir}tests/harness/guard-lab.ts`]),
  });
  use({ close: () => lab.kill() });
  await lab.waitForLog('every row has run', ({ msg }) => msg === 'done', { boundMs: 55_000 });
  return lab.logs.filter(({ msg }) => msg === 'row') as unknown as readonly Outcome[];
});

const of = (name: string): readonly Outcome[] => outcomes().filter((outcome) => outcome.name === name);

for (const { name, url } of refusedRows) {
  story(`refused before any packet: ${name} (${url})`, async () => {
    expect(of(name)).toEqual([
      expect.objectContaining({
        status: 403,
        code: 'DESTINATION_IP_PROHIBITED',
        sent: { lo: 0, home: 0 },
        reached: [],
      }),
    ]);
  });
}

for (const { name } of redirectRows) {
  story(`refused at the second hop: ${name}`, async () => {
    const [outcome] = of(name);
    expect(outcome).toMatchObject({ status: 403, code: 'DESTINATION_IP_PROHIBITED', sent: { lo: 0 } });
    expect(outcome?.reached).toEqual([expect.stringMatching(/^93\.184\.215\.14\/to\//)]);
  });
}

story(`${rebindingRow.name} leads to the public address or nowhere`, async () => {
  const [first, second] = of(rebindingRow.name);
  expect(first?.reached).toEqual(['93.184.215.14/secret']);
  expect(second?.reached.filter((place) => !place.startsWith('93.184.215.14/'))).toEqual([]);
});

for (const { name, url } of allowedRows) {
  story(`allowed, by the same agent: ${name} (${url})`, async () => {
    const [outcome] = of(name);
    expect(outcome).toMatchObject({ status: 200 });
    expect(outcome?.reached).toHaveLength(1);
    expect(outcome?.sent.home).toBeGreaterThan(0);
  });
}
