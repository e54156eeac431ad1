// Where keys come from, as the keyring sees it: a file today, AgentKey resources of Kubernetes as well.
import type { KeyPolicy } from './policy.ts';

export interface KeySource {
  /** Resolves once the keys are known; rejects when they cannot be read. */
  start(): Promise<void>;
  stop(): void;
  /** Every key by its id; replaced as a whole. Empty before start. */
  readonly keys: ReadonlyMap<string, KeyPolicy>;
  /** Since the place where keys come from last said anything; absent where that is always now. */
  readonly stalenessSeconds?: number;
  /** Sets who hears that `keys` was replaced; called once, before start. */
  onChange(listener: () => void): void;
}
