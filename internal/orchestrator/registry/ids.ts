// How agents and exits are called: `key/agent` and `key/agent/exit`. The names in them hold no slash.

export function agentIdOf(exitId: string): string {
  return exitId.slice(0, exitId.lastIndexOf('/'));
}

export function exitNameOf(exitId: string): string {
  return exitId.slice(exitId.lastIndexOf('/') + 1);
}

export function keyNameOf(agentId: string): string {
  return agentId.slice(0, agentId.lastIndexOf('/'));
}
