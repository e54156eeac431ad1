// The ways out that this agent offers, and how many jobs run on each. One list for all its connections: while two pods
// know the agent, neither sees the other's jobs, so only this count keeps the promise of the capacity.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ExitKind, ExitState } from '../../../gen/resproxy/v1/agent_pb.ts';
import type { ExitListSchema } from '../../../gen/resproxy/v1/channel_pb.ts';

export type ExitListInit = MessageInitShape<typeof ExitListSchema>;

export interface Exit {
  readonly name: string;
  readonly kind: ExitKind;
  readonly labels: Readonly<Record<string, string>>;
  /** Jobs it runs at once, at most. */
  readonly capacity: number;
  readonly state: ExitState;
  inFlight: number;
}

type Change = Partial<Pick<Exit, 'capacity' | 'labels' | 'state'>>;

export class Exits {
  readonly #byName = new Map<string, Exit>();
  #generation = 1n;
  #onChange: (() => void) | undefined;

  constructor(exits: readonly Exit[]) {
    for (const exit of exits) this.#byName.set(exit.name, exit);
  }

  find(name: string): Exit | undefined {
    return this.#byName.get(name);
  }

  /** The list as HELLO and EXITS carry it. */
  toList(): ExitListInit {
    const exits = [...this.#byName.values()].map(({ name, kind, state, capacity, labels }) => {
      return { name, kind, state, capacity, labels };
    });
    return { generation: this.#generation, exits };
  }

  /** Sets who hears that the list has changed. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  /** Changes what is offered; jobs that run go on. */
  change(name: string, change: Change): void {
    const exit = this.#byName.get(name);
    if (!exit) return;
    Object.assign(exit, change);
    this.#generation++;
    this.#onChange?.();
  }
}

/** The agent's own line. */
export function directExit(capacity: number, labels: Readonly<Record<string, string>>): Exit {
  return { name: 'direct', kind: ExitKind.DIRECT, labels, capacity, state: ExitState.AVAILABLE, inFlight: 0 };
}
