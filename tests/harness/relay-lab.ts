// Three pods with agents whose places are known, so that a test can say of each job whether it crosses from one pod to
// another.
import { Fleet, type FleetOptions } from './fleet.ts';
import { Origin } from './origin.ts';
import type { Program } from './process.ts';
import type { Use } from './story.ts';
import { waitForTrueView } from './view.ts';

export interface Placed {
  readonly name: string;
  readonly pod: string;
  readonly exitId: string;
  readonly agentId: string;
  readonly program: Program;
}

export interface RelayLab {
  readonly fleet: Fleet;
  readonly origin: Origin;
  /** Starts one more agent on that pod, and waits until every pod knows. */
  readonly place: (name: string, pod: string, options?: PlaceOptions) => Promise<Placed>;
  /** Kills that agent, and waits until no pod lists it. */
  readonly remove: (agent: Placed) => Promise<void>;
}

export interface PlaceOptions {
  readonly keyName?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where it dials instead of the pod itself: a line to the pod. */
  readonly port?: number;
}

export const podNames = ['pod-a', 'pod-b', 'pod-c'] as const;

export async function startRelayLab(use: Use, options: FleetOptions = {}): Promise<RelayLab> {
  const origin = use(await Origin.start());
  const fleet = use(await Fleet.start({ pods: podNames, ...options }));
  let agents = 0;
  const place = async (name: string, pod: string, { keyName = 'home-1', env = {}, port }: PlaceOptions = {}) => {
    const settings = { AGENT_ALLOW_ENDPOINTS: origin.endpoint, AGENT_MAX_CONCURRENT: '64', ...env };
    const program = await fleet.startAgent({ name, keyName, to: port ?? pod, env: settings });
    await waitForTrueView(fleet, ++agents);
    const agentId = `${keyName}/${name}`;
    return { name, pod, agentId, exitId: `${agentId}/direct`, program };
  };
  const remove = async ({ program }: Placed) => {
    await program.kill();
    await waitForTrueView(fleet, --agents);
  };
  return { fleet, origin, place, remove };
}
