// The keys of the job store. A tenant lives in one partition, whole, so that its queue, its idempotency keys and its
// limits change in one step; all keys of a partition carry its hash tag, so that this holds on Redis Cluster.
//
// Below `{PREFIX:jobs:N}:`
//   job:TENANT/ID          the record, JSON
//   events:TENANT/ID       its events, a list of JSON
//   bytes:TENANT/ID:PART   spec:I, callback, meta, body:EPOCH:I; each with a TTL
//   key:TENANT:KEY         the newest job with the idempotency key
//   list:TENANT            ids by the order of their submit
//   ready:TENANT           what may be claimed, by priority, then order
//   turns, left            tenants with something to claim, by their turn; jobs left to each in it
//   alarm:NAME             who waits for a time: ready, expiry, lease, result, removal, delivery
//   waiting:FOR:PRIORITY   what waits for a claim, also before its time, or for an exit; by when it might be claimed
//   parked:TARGET, targets who waits for a target; how many wait for each
//   open, states           counters by tenant; by state and priority
//   sequences              the last order and the last turn
//   changes                a capped stream of what happened, for followers

/** The hash tag of a partition: KEYS[1] of every script. */
export function partitionTag(prefix: string, partition: number): string {
  return `{${prefix}:jobs:${partition}}`;
}

/** How many partitions the store was made with. */
export function partitionsKey(prefix: string): string {
  return `{${prefix}:jobs}:partitions`;
}

export function jobKey(tag: string, tenant: string, jobId: string): string {
  return `${tag}:job:${tenant}/${jobId}`;
}

export function specKey(tag: string, tenant: string, jobId: string, chunk: number): string {
  return `${tag}:bytes:${tenant}/${jobId}:spec:${chunk}`;
}

export function statesKey(tag: string): string {
  return `${tag}:states`;
}

export function targetsKey(tag: string): string {
  return `${tag}:targets`;
}

export function changesKey(tag: string): string {
  return `${tag}:changes`;
}

/** FNV-1a: the same on every pod, of every version. */
export function partitionOf(tenant: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < tenant.length; i++) hash = Math.imul(hash ^ tenant.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % partitions;
}
