// What the servers behind a client say of themselves: INFO, CONFIG GET save where the ACL allows it, CLUSTER INFO.
import type { NodeReply } from './connection.ts';
import type { RedisClient } from './redis-client.ts';
import { RedisError } from './redis-error.ts';
import type { RedisUrl } from './redis-url.ts';

/** What one server said. */
export interface ServerFacts {
  /** host:port */
  readonly node: string;
  /** The fields of INFO. */
  readonly info: ReadonlyMap<string, string>;
  /** CONFIG GET save; undefined when the ACL does not allow it. */
  readonly save: string | undefined;
  /** cluster_state of CLUSTER INFO; undefined where there is no Cluster. */
  readonly clusterState: string | undefined;
}

export async function readServerFacts(
  client: Pick<RedisClient, 'askEach'>,
  kind: RedisUrl['kind'],
): Promise<readonly ServerFacts[]> {
  const [infos, saves, clusters] = await Promise.all([
    client.askEach('INFO', []),
    client.askEach('CONFIG', ['GET', 'save']).catch(noneWhenRefused),
    kind === 'cluster' ? client.askEach('CLUSTER', ['INFO']) : [],
  ]);
  return infos.map(({ node, reply }) => {
    const save = replyOf(saves, node);
    return {
      node,
      info: parseInfo(reply),
      save: Array.isArray(save) ? String(save[1]) : undefined,
      clusterState: parseInfo(replyOf(clusters, node)).get('cluster_state'),
    };
  });
}

/** The fields of INFO, or of CLUSTER INFO. */
export function parseInfo(reply: unknown): ReadonlyMap<string, string> {
  const lines = typeof reply === 'string' ? reply.split('\r\n') : [];
  const fields = lines.filter((line) => !line.startsWith('#') && line.includes(':'));
  return new Map(fields.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

function replyOf(replies: readonly NodeReply[], node: string): unknown {
  return replies.find((other) => other.node === node)?.reply;
}

function noneWhenRefused(error: unknown): readonly NodeReply[] {
  if (error instanceof RedisError && error.code === 'REFUSED') return [];
  throw error;
}
