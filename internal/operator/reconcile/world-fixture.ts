// A small API server in memory for tests: versions that must match, names that are taken, owners that are collected, and
// a switch that makes it fail before or after a write, as a process that dies there would see it.
import type { AgentKeyStatus } from '../../agentkey/resource.ts';
import { digestOf } from '../../kit/digest.ts';
import { KubeError } from '../../kube/kube-error.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { formatKey } from '../../orchestrator/keys/key-format.ts';
import type { Note } from './notes.ts';
import { type AgentKeyWorld, Reconciler } from './reconciler.ts';
import type { NewSecret, Secret } from './secret.ts';

export interface StoredAgentKey extends KubeObject {
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: AgentKeyStatus;
}

export const orchWs = 'wss://agents.example.org/agent';
const name = 'berlin';
const namespace = 'homes';
const start = Date.UTC(2030, 0, 1);

/** Thrown where a process would have died. */
export class Crash extends Error {}

export class World implements AgentKeyWorld {
  agentKeyObject: StoredAgentKey | undefined;
  secretObject: Secret | undefined;
  readonly notes: Note[] = [];
  nowMs = start;
  agents: number | undefined;
  writes = 0;
  /** Counts down with every write; at 0 the process dies, before or after it took effect. */
  crash: { writesLeft: number; readonly after: boolean } | undefined;
  refuseSecrets: KubeError | undefined;
  #version = 1;
  #random = 0;

  constructor(spec: Readonly<Record<string, unknown>> = {}) {
    this.agentKeyObject = { metadata: { ...this.#metadata(), generation: 1, uid: 'uid-1' }, spec };
  }

  async run(): Promise<number | undefined> {
    const reconciler = new Reconciler({
      world: this,
      orchWs,
      makeKey: (id) => formatKey(id, new Uint8Array(32).fill(++this.#random)).text,
      wallMs: () => this.nowMs,
      onUnreadable: (_key, fault) => {
        throw new Error(fault);
      },
    });
    return await reconciler.reconcile(`${namespace}/${name}`);
  }

  get status(): AgentKeyStatus {
    const status = this.agentKeyObject?.status;
    if (!status) throw new Error('there is no status yet');
    return status;
  }

  get heldSecret(): Secret {
    if (!this.secretObject) throw new Error('there is no Secret');
    return this.secretObject;
  }

  condition(type: string): string {
    const found = this.status.conditions.find((condition) => condition.type === type);
    return found ? `${found.status} ${found.reason}` : 'absent';
  }

  text(field: string): string {
    return Buffer.from(this.heldSecret.data?.[field] ?? '', 'base64').toString();
  }

  /** The digest of the key that whoever reads the Secret has. */
  get heldDigest(): string {
    return digestOf(this.text('AGENT_KEY'));
  }

  changeSpec(change: Readonly<Record<string, unknown>>): void {
    const object = this.agentKeyObject;
    if (!object) return;
    const generation = (object.metadata.generation ?? 0) + 1;
    const metadata = { ...object.metadata, generation, resourceVersion: this.#next() };
    this.agentKeyObject = { ...object, metadata, spec: { ...object.spec, ...change } };
  }

  changeSecret(change: (secret: Secret) => Secret): void {
    const changed = change(this.heldSecret);
    this.secretObject = { ...changed, metadata: { ...changed.metadata, resourceVersion: this.#next() } };
  }

  clearStatus(): void {
    if (!this.agentKeyObject) return;
    const { status: _gone, ...rest } = this.agentKeyObject;
    this.agentKeyObject = { ...rest, metadata: { ...rest.metadata, resourceVersion: this.#next() } };
  }

  // What the reconciler asks and does.

  agentKey(): KubeObject | undefined {
    return this.agentKeyObject;
  }

  async secret(): Promise<Secret | undefined> {
    return this.secretObject;
  }

  async writeStatus(agentKey: KubeObject, status: AgentKeyStatus): Promise<KubeObject> {
    return this.#write(() => {
      const now = this.agentKeyObject;
      if (!now) throw new KubeError('not-found', 'gone');
      if (agentKey.metadata.resourceVersion !== now.metadata.resourceVersion)
        throw new KubeError('conflict', 'changed');
      this.agentKeyObject = { ...now, status, metadata: { ...now.metadata, resourceVersion: this.#next() } };
      return this.agentKeyObject;
    });
  }

  async createSecret(secret: NewSecret): Promise<void> {
    if (this.refuseSecrets) throw this.refuseSecrets;
    this.#write(() => {
      if (this.secretObject) throw new KubeError('already-exists', 'taken');
      this.secretObject = { ...secret, metadata: { ...this.#metadata(), ...secret.metadata } };
    });
  }

  async replaceSecret(secret: Secret): Promise<void> {
    if (this.refuseSecrets) throw this.refuseSecrets;
    this.#write(() => {
      const now = this.heldSecret;
      if (secret.metadata.resourceVersion !== now.metadata.resourceVersion) throw new KubeError('conflict', 'changed');
      this.secretObject = { ...secret, metadata: { ...secret.metadata, resourceVersion: this.#next() } };
    });
  }

  note(_agentKey: KubeObject, note: Note): void {
    this.notes.push(note);
  }

  connected(): number | undefined {
    return this.agents;
  }

  #write<T>(apply: () => T): T {
    const dies = this.crash !== undefined && this.crash.writesLeft-- === 0;
    if (dies && !this.crash?.after) throw new Crash();
    const result = apply();
    this.writes++;
    if (dies) throw new Crash();
    return result;
  }

  #metadata() {
    return { name, namespace, uid: 'uid-of-secret', resourceVersion: this.#next() };
  }

  #next(): string {
    return String(this.#version++);
  }
}
