// Two pods in one process, for tests: `caller` has the jobs, `owner` the agents, and one link leads from the first to
// the second. What the caller knows of the fleet is written down by the test.
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { Mux } from '../../wire/mux.ts';
import type { OpenRequest } from '../../wire/mux-api.ts';
import { transportPair } from '../../wire/transport-pair.ts';
import type { ExchangeRequest } from '../channel/link.ts';
import { agreement, muxMeans, PodFixture, type Serve } from '../channel/pod-fixture.ts';
import { FleetView } from '../registry/fleet-view.ts';
import { RemotePod } from '../registry/pods.ts';
import { exitOffer } from '../registry/registry-suite.ts';
import { busyPauseMs, RemoteExit } from '../registry/remote-exit.ts';
import { anyTarget } from '../route/candidate.ts';
import { FleetLinks } from './fleet-links.ts';
import type { RelayResult } from './relay-api.ts';
import { RelayIntake } from './relay-intake.ts';

export class OwnerFixture extends PodFixture {
  /** What comes of a stream that the caller opens; a test may put a lie here. */
  serve: Serve = (stream) => this.intake.serve(stream);
  readonly results: RelayResult[] = [];
  readonly intake = new RelayIntake({
    localFleet: this.fleet,
    local: this.connections,
    random: () => 0.5,
    wheel: this.means.wheel,
    observer: { relayed: (result) => void this.results.push(result) },
  });
}

export function relaying() {
  const clock = new ManualClock();
  const owner = new OwnerFixture(clock);
  const [callerLine, ownerLine] = transportPair();
  const onControl = (): void => {};
  const means = muxMeans(clock);
  const ended = (): void => {
    pod.linked = false;
  };
  const mux = new Mux({ ...means, role: 'opener', transport: callerLine, onControl, onEnd: ended });
  const onStream: Serve = (stream) => owner.serve(stream);
  new Mux({ ...owner.means, role: 'acceptor', transport: ownerLine, onControl, onStream, onEnd: () => {} }).start(
    agreement,
  );
  mux.start(agreement);

  const pod = new RemotePod('owner', '127.0.0.1:9091', '0.1.0');
  pod.linked = true;
  const here = new PodFixture(clock);
  const view = new FleetView();
  const results: RelayResult[] = [];
  const refreshed: string[] = [];
  const peers = { open: (_: RemotePod, request: OpenRequest, body: Uint8Array) => mux.open(request, body) };
  /** What a refresh of the view brings; the test sets it. */
  const registry = { refresh: async (_agentId: string): Promise<void> => {} };
  const links = new FleetLinks({
    fleet: view,
    local: here.connections,
    peers,
    refresh(agentId) {
      refreshed.push(agentId);
      return registry.refresh(agentId);
    },
    clock,
    observer: { relayed: (result) => void results.push(result) },
  });
  /** The caller's view says that the agent is at the pod. */
  const knows = (agent: string, at = pod): RemoteExit => {
    const exit = exitOffer({ agentId: `key/${agent}`, capacity: 4 });
    const remote = new RemoteExit(exit, at);
    view.add(remote);
    return remote;
  };
  /** Ends everything, lets pauses pass, and says what is left behind. */
  const close = async (): Promise<{ timers: number; jobs: number }> => {
    callerLine.cut();
    owner.close();
    here.close();
    await arrived();
    await clock.advance(busyPauseMs);
    return { timers: clock.pending, jobs: owner.intake.inFlight };
  };
  return {
    close,
    clock,
    owner,
    here,
    pod,
    view,
    links,
    knows,
    results,
    refreshed,
    registry,
    callerLine,
    ownerLine,
    mux,
    means,
  };
}

export type Relaying = ReturnType<typeof relaying>;

export function request(
  agent: string,
  given: Partial<ExchangeRequest> = {},
  body: Uint8Array = new Uint8Array(),
): ExchangeRequest {
  return {
    exitId: `key/${agent}/direct`,
    jobId: 'job-1',
    attempt: 1,
    tenant: 'acme',
    target: anyTarget,
    tried: [],
    request: {
      method: 'POST',
      url: 'http://origin.test/',
      headers: [{ name: 'accept', value: '*/*' }],
      body,
      maxRedirects: 3,
      decompress: true,
      maxResponseBytes: 0,
    },
    idempotent: false,
    deadlineMs: 5_000,
    traceparent: '00-1',
    ...given,
  };
}

export const head = { statusCode: 200, headers: [{ name: 'x', value: 'y' }], finalUrl: 'http://origin.test/' };
export const timings = { dnsUs: 1, connectUs: 2, tlsUs: 3, firstByteUs: 4 };

/** Lets everything that is under way arrive, over both hops. */
export async function arrived(turns = 4): Promise<void> {
  for (let i = 0; i < turns; i++) await settle();
}

/** The whole of a body, from its beginning on. */
export async function whole(first: Uint8Array, rest: { read(): Promise<Uint8Array | undefined> }): Promise<Buffer> {
  const pieces = [first];
  for (let piece = await rest.read(); piece; piece = await rest.read()) pieces.push(piece);
  return Buffer.concat(pieces);
}
