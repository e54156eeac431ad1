// Orders to an agent wherever its connections are: those of this pod are reached at once, those of others by their pods.
import { AgentOrderKind } from '../../../gen/resproxy/v1/channel_pb.ts';
import { JobFailure } from '../failure/failures.ts';
import type { AgentControl } from '../registry/agents.ts';
import type { PeerLinks } from './peer-links.ts';

export interface FleetControlOptions {
  readonly podId: string;
  /** The connections of this pod. */
  readonly local: AgentControl;
  readonly peers: Pick<PeerLinks, 'order'>;
  /** The connections of an agent, as the view knows them. */
  readonly where: (agentId: string) => Iterable<{ readonly podId: string }>;
}

export class FleetControl implements AgentControl {
  readonly #options: FleetControlOptions;

  constructor(options: FleetControlOptions) {
    this.#options = options;
  }

  drain(agentId: string): Promise<number> {
    return this.#order(agentId, AgentOrderKind.DRAIN, this.#options.local.drain(agentId));
  }

  disconnect(agentId: string): Promise<number> {
    return this.#order(agentId, AgentOrderKind.DISCONNECT, this.#options.local.disconnect(agentId));
  }

  async #order(agentId: string, kind: AgentOrderKind, here: Promise<number>): Promise<number> {
    const { podId, peers, where } = this.#options;
    const others = new Set(Array.from(where(agentId), (connection) => connection.podId));
    others.delete(podId);
    const elsewhere = Array.from(others, (other) => peers.order(other, agentId, kind).catch(outOfReach));
    const reached = await Promise.all([here, ...elsewhere]);
    return reached.reduce((sum, connections) => sum + connections, 0);
  }
}

function outOfReach(cause: unknown): never {
  throw new JobFailure('AGENT_DISCONNECTED', {
    detail: 'The pod that the agent is connected to cannot be reached at the moment.',
    cause,
  });
}
