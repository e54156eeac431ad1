// The list of exits as pods see it, and its changes.
import { describe, expect, test } from '@jest/globals';
import { ExitKind, ExitState } from '../../../gen/resproxy/v1/agent_pb.ts';
import { directExit, Exits } from './exits.ts';

describe('Exits', () => {
  test("offers the agent's own line with its capacity and labels", () => {
    const exits = new Exits([directExit(8, { country: 'DE' })]);
    expect(exits.toList()).toEqual({
      generation: 1n,
      exits: [
        {
          name: 'direct',
          kind: ExitKind.DIRECT,
          state: ExitState.AVAILABLE,
          capacity: 8,
          labels: { country: 'DE' },
        },
      ],
    });
  });

  test('raises the generation and tells its listener with every change, and keeps what runs', () => {
    const exits = new Exits([directExit(8, {})]);
    const generations: unknown[] = [];
    exits.onChange(() => generations.push(exits.toList().generation));
    const exit = exits.find('direct');
    if (exit) exit.inFlight = 3;
    exits.change('direct', { state: ExitState.PAUSED });
    exits.change('direct', { capacity: 2 });
    exits.change('nothing', { capacity: 2 });
    expect(generations).toEqual([2n, 3n]);
    expect(exits.find('direct')).toMatchObject({ state: ExitState.PAUSED, capacity: 2, inFlight: 3 });
  });
});
