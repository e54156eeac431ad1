// Carries plans out: digest to the status first, then the Secret, then the status again. Every step may fail or never
// happen; whoever runs next reads what there is and plans anew.
import { isDeepStrictEqual } from 'node:util';
import { type AgentKey, type AgentKeyStatus, parseAgentKey } from '../../agentkey/resource.ts';
import { isFault } from '../../kube/kube-error.ts';
import type { KubeObject } from '../../kube/objects.ts';
import type { Note } from './notes.ts';
import { type MakeKey, planFor, refusedStatus, type SecretStep, type Situation } from './plan.ts';
import { type NewSecret, type Secret, secretNameOf } from './secret.ts';

/** What the reconciler sees of the cluster and does to it. Every write is refused unless what was read is still so. */
export interface AgentKeyWorld {
  agentKey(key: string): KubeObject | undefined;
  secret(at: { readonly namespace: string; readonly name: string }): Promise<Secret | undefined>;
  writeStatus(agentKey: KubeObject, status: AgentKeyStatus): Promise<KubeObject>;
  createSecret(secret: NewSecret): Promise<void>;
  replaceSecret(secret: Secret): Promise<void>;
  /** Tells people; never fails. */
  note(agentKey: KubeObject, note: Note): void;
  /** Agents connected with the key; undefined when nobody told. */
  connected(agentKey: KubeObject): number | undefined;
}

export interface ReconcilerOptions {
  readonly world: AgentKeyWorld;
  readonly orchWs: string;
  readonly makeKey: MakeKey;
  readonly wallMs: () => number;
  /** The object cannot be read; the API server should not have taken it. */
  readonly onUnreadable: (key: string, fault: string) => void;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Brings one AgentKey to where it should be. Resolves with the milliseconds until time alone asks for more. */
  async reconcile(key: string): Promise<number | undefined> {
    const { world, makeKey } = this.#options;
    const object = world.agentKey(key);
    // No finalizer: what is being deleted is no longer honoured, and its Secret goes with it.
    if (!object || object.metadata.deletionTimestamp !== undefined) return undefined;
    const situation = await this.#look(key, object);
    if (!situation) return undefined;
    const plan = planFor(situation, makeKey);
    const announced = plan.announced ? await world.writeStatus(object, plan.announced) : object;
    await this.#writeSecret(plan.secret, situation, announced);
    await this.#writeStatus(announced, plan.settled);
    for (const note of plan.notes) world.note(announced, note);
    return plan.againInMs;
  }

  async #look(key: string, object: KubeObject): Promise<Situation | undefined> {
    const { world, orchWs, wallMs, onUnreadable } = this.#options;
    const parsed = parseAgentKey(object);
    if (!parsed.ok) {
      onUnreadable(key, parsed.fault);
      return undefined;
    }
    const { agentKey } = parsed;
    const { namespace } = agentKey.metadata;
    const secret = await world.secret({ namespace, name: secretNameOf(agentKey) });
    return { agentKey, secret, nowMs: wallMs(), orchWs, connected: world.connected(object) };
  }

  /** What the server refuses is told in the status before the error goes on to whoever tries again. */
  async #writeSecret(step: SecretStep, situation: Situation, object: KubeObject): Promise<void> {
    const { world } = this.#options;
    try {
      if (step.action === 'create') await world.createSecret(step.secret);
      if (step.action === 'replace') await world.replaceSecret(step.secret);
    } catch (error) {
      if (isFault(error, 'forbidden', 'invalid', 'server')) {
        const fault = { lasting: error.fault !== 'server', message: error.message };
        const now = parseAgentKey(object);
        const agentKey: AgentKey = now.ok ? now.agentKey : situation.agentKey;
        await this.#writeStatus(object, refusedStatus({ ...situation, agentKey }, fault));
      }
      throw error;
    }
  }

  async #writeStatus(object: KubeObject, status: AgentKeyStatus): Promise<void> {
    const parsed = parseAgentKey(object);
    if (parsed.ok && isDeepStrictEqual(parsed.agentKey.status, status)) return;
    await this.#options.world.writeStatus(object, status);
  }
}
