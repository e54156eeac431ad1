// This pod's links to all the others: the registry says which there are, and every one of them is dialled at once and
// kept warm, so that a job never waits for a handshake.
import type { AgentOrderKind } from '../../../gen/resproxy/v1/channel_pb.ts';
import type { OpenRequest } from '../../wire/mux-api.ts';
import type { OpenedStream } from '../../wire/stream-api.ts';
import type { PodListener, RemotePod } from '../registry/pods.ts';
import { peerLimits } from './peer-limits.ts';
import { PeerLink, type PeerLinkDeps } from './peer-link.ts';

export class PeerLinks implements PodListener {
  readonly #deps: PeerLinkDeps;
  readonly #links = new Map<RemotePod, PeerLink>();
  /** Links to pods that are gone from the view. */
  readonly #leaving = new Set<PeerLink>();
  #closed = false;

  /** The credential is started before the first pod joins. */
  constructor(deps: PeerLinkDeps) {
    this.#deps = deps;
  }

  /** A pod without an address has no peer port: it is alone, though its agents can be seen. */
  podJoined(pod: RemotePod): void {
    if (this.#closed || pod.address === '' || pod.podId === this.#deps.podId || this.#links.has(pod)) return;
    const link = new PeerLink(pod, this.#deps);
    this.#links.set(pod, link);
    link.start();
  }

  /** Its lease may be over while it still serves: what runs there may finish. A pod that is dead falls silent soon. */
  podLeft(pod: RemotePod): void {
    const link = this.#links.get(pod);
    if (!link) return;
    this.#links.delete(pod);
    this.#leaving.add(link);
    void link.leave(peerLimits.leaveGraceMs).finally(() => this.#leaving.delete(link));
  }

  /** Throws when the pod is not linked, or takes no more streams: nothing was sent. */
  open(pod: RemotePod, request: OpenRequest, body: Uint8Array): OpenedStream {
    const link = this.#links.get(pod);
    if (!link) throw new Error(`no link to pod ${pod.podId}`);
    return link.open(request, body);
  }

  /**
   * Has the other pod do this to an agent that is connected to it. Resolves with how many connections that reached;
   * rejects when there is no link, or no answer within 5 s.
   */
  order(podId: string, agentId: string, kind: AgentOrderKind): Promise<number> {
    for (const link of this.#links.values()) {
      if (link.pod.podId === podId && link.pod.linked) return link.order(agentId, kind);
    }
    return Promise.reject(new Error(`no link to pod ${podId}`));
  }

  /** Opens nothing new; resolves when the streams that run are over, or the grace is. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    const links = [...this.#links.values(), ...this.#leaving];
    this.#links.clear();
    await Promise.all(links.map((link) => link.leave(graceMs)));
  }
}
