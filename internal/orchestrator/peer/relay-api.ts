// What relaying a job asks of its neighbours: the links to other pods, the registry behind the view, and who counts.
import type { Clock } from '../../kit/clock.ts';
import type { OpenRequest } from '../../wire/mux-api.ts';
import type { OpenedStream } from '../../wire/stream-api.ts';
import type { LinkDirectory } from '../channel/link.ts';
import type { LiveExit } from '../registry/live-exit.ts';
import type { RemotePod } from '../registry/pods.ts';
import type { Fleet } from '../route/candidate.ts';

/** Opens streams to other pods. */
export interface PeerOpener {
  /** Throws when there is no link to the pod, or when it takes no more. */
  open(pod: RemotePod, request: OpenRequest, body: Uint8Array): OpenedStream;
}

/** Brings what the view says of an agent up to date; the promise settles within a bounded time. */
export type Refresh = (agentId: string) => Promise<void>;

/**
 * `sent` to another pod, and what came of it: `answered` by its agent, for better or worse; `busy` or `not_here`; `lost`
 * with the link. `served`: a job of another pod was sent to an agent here.
 */
export type RelayResult = 'sent' | 'answered' | 'busy' | 'not_here' | 'lost' | 'served';

/** What relaying tells, for metrics: on the path of every relayed job, and so it must be cheap. */
export interface RelayObserver {
  relayed(result: RelayResult): void;
}

/** What the ways to exits of other pods share. */
export interface RelayMeans {
  /** Everybody's exits. */
  readonly fleet: Pick<Fleet<LiveExit>, 'byId'>;
  /** The ways to the exits of this pod. */
  readonly local: LinkDirectory;
  readonly peers: PeerOpener;
  readonly refresh: Refresh;
  readonly clock: Clock;
  readonly observer: RelayObserver;
}
