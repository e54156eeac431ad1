// Which connections to origins two jobs may share. The agent pools by an opaque key, so no tenant ever inherits
// another's connection, TLS ticket or login; the secret behind it lives as long as the connection to the agent.
import { createHmac } from 'node:crypto';
import { LruMap } from '../../kit/lru.ts';
import { channelLimits } from './channel-limits.ts';

export class IsolationKeys {
  readonly #secret: Uint8Array;
  readonly #keys = new LruMap<string, Uint8Array>(channelLimits.maxIsolationKeys);

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  of(tenant: string): Uint8Array {
    const known = this.#keys.get(tenant);
    if (known) return known;
    const key = createHmac('sha256', this.#secret).update(tenant).digest();
    this.#keys.set(tenant, key);
    return key;
  }
}
