// Events of events.k8s.io/v1: what `kubectl describe agentkey` shows. They are for people, so they are sent without
// anybody waiting, and one that cannot be written is lost.
import { apiVersion } from '../agentkey/resource.ts';
import type { Clock } from '../kit/clock.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import type { Kind, KubeObject } from '../kube/objects.ts';
import type { Note } from './reconcile/notes.ts';

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, 'create'>;
  readonly clock: Clock;
  /** This process, as the event names it. */
  readonly identity: string;
  readonly onLost: (error: unknown) => void;
}

const events: Kind = { api: '/apis/events.k8s.io/v1', plural: 'events' };
const controller = 'resproxy.dev/operator';
/** On their way at once; more are dropped, since the server is not keeping up. */
const maxOpen = 100;
const maxTextLength = 1024;
const maxNameLength = 220;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #open = new Set<Promise<void>>();
  #count = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record({ metadata }: KubeObject, { type, reason, action, text }: Note): void {
    const { client, clock, identity, onLost } = this.#options;
    if (this.#open.size >= maxOpen) return onLost(new Error('too many events are on their way'));
    const { name, namespace, uid, resourceVersion } = metadata;
    const at = clock.wallMs();
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: {
        namespace,
        name: `${name.slice(0, maxNameLength)}.${at.toString(16)}${(this.#count++).toString(16)}`,
      },
      eventTime: new Date(at).toISOString().replace('Z', '000Z'),
      reportingController: controller,
      reportingInstance: identity,
      action,
      reason,
      type,
      note: text.slice(0, maxTextLength),
      regarding: { apiVersion, kind: 'AgentKey', name, namespace, uid, resourceVersion },
    };
    const sent: Promise<void> = client
      .create(events, namespace, event)
      .then(() => {}, onLost)
      .finally(() => this.#open.delete(sent));
    this.#open.add(sent);
  }

  /** Resolves when all that were begun are answered. */
  async flush(): Promise<void> {
    await Promise.all(this.#open);
  }
}
