// Whether every pod's view is true: what each lists against the agent connections that exist, by the word of the pods
// that hold them; and whether each can reach every other.
import type { Fleet } from './fleet.ts';
import type { Pod } from './pod.ts';
import { defaultBoundMs, until } from './waiting.ts';

/** Resolves when every pod lists exactly the connections that exist, of so many agents, and is linked to every other. */
export async function waitForTrueView(fleet: Fleet, agents: number, boundMs?: number): Promise<void> {
  let faults: readonly string[] = [];
  try {
    await until(
      'views are true',
      async () => {
        faults = await viewFaults(fleet, agents);
        return faults.length === 0;
      },
      boundMs,
    );
  } catch (error) {
    throw new Error(`${String(error)}\n${faults.join('\n')}`);
  }
}

/** Looks on for so long, and rejects as soon as a view is wrong. */
export async function staysTrue(fleet: Fleet, agents: number, forMs: number): Promise<void> {
  const end = performance.now() + forMs;
  await until(
    'the time is over',
    async () => {
      const faults = await viewFaults(fleet, agents);
      if (faults.length > 0) throw new Error(`a view became wrong:\n${faults.join('\n')}`);
      return performance.now() > end;
    },
    forMs + defaultBoundMs,
  );
}

/** What is wrong with the views, in words; nothing when they are true. */
export async function viewFaults(fleet: Fleet, agents: number): Promise<readonly string[]> {
  const { pods } = fleet;
  const existing = new Set(pods.flatMap(connectionsOf));
  const known = new Set([...existing].map((connection) => connection.split(' ')[0]));
  const faults = known.size === agents ? [] : [`${known.size} of ${agents} agents are connected`];
  for (const pod of pods) {
    const listed = new Set((await pod.agents()).map((agent) => name(agent.agentId, agent.connectionId, agent.podId)));
    const missing = [...existing.difference(listed)].map((connection) => `${pod.name} does not know of ${connection}`);
    const gone = [...listed.difference(existing)].map((connection) => `${pod.name} still lists ${connection}`);
    const links = (await pod.metrics()).sum('resproxy_peer_links');
    const unlinked = links === pods.length - 1 ? [] : [`${pod.name} has links to ${links} pods`];
    faults.push(...missing, ...gone, ...unlinked);
  }
  return faults;
}

function connectionsOf({ name: podName, program }: Pod): string[] {
  const open = new Set<string>();
  for (const { msg, agentId, connectionId } of program.logs) {
    const connection = name(String(agentId), String(connectionId), podName);
    if (msg === 'agent connected') open.add(connection);
    if (msg === 'agent connection ended') open.delete(connection);
  }
  return [...open];
}

function name(agentId: string, connectionId: string, podName: string): string {
  return `${agentId} by ${connectionId} on ${podName}`;
}
