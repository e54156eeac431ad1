// Whether the container is healthy. An orchestrator or an operator is asked at its admin door whether its event loop
// turns; any other program has no door, and is healthy as long as it runs.
import { readFileSync } from 'node:fs';

const boundMs = 4_000;
const programsWithDoor = ['orchestrator', 'operator'];
const anyAddress = new Set(['', '0.0.0.0', '::']);

/** The command line of the container's first process; empty when it cannot be read. */
export function readProcessOne(): readonly string[] {
  try {
    return readFileSync('/proc/1/cmdline', 'utf8').split('\0');
  } catch {
    return [];
  }
}

export async function isHealthy(processOne: readonly string[], env: NodeJS.ProcessEnv): Promise<boolean> {
  if (!programsWithDoor.some((name) => processOne.includes(name))) return true;
  try {
    const answer = await fetch(livezUrl(env), { signal: AbortSignal.timeout(boundMs) });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

function livezUrl({ RESPROXY_ADMIN_BIND: bind = '', RESPROXY_ADMIN_PORT: port }: NodeJS.ProcessEnv): string {
  const host = anyAddress.has(bind) ? '127.0.0.1' : bind;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port || 9464}/livez`;
}
