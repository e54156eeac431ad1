// Private networks for tests that count packets: processes in network namespaces of their own, joined by veth pairs.
// Works as root, and as anybody else where the kernel lets users make namespaces.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { tool } from './tools.ts';

/** How a command is run in a new network and mount namespace. */
export function inPrivateNetwork(command: readonly string[]): { readonly command: string; readonly args: string[] } {
  const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  return { command: tool('unshare'), args: [...asRoot, '--net', '--mount', '--', ...command] };
}

/** Another network, held open by a process that does nothing. Only for who is root in a private network already. */
export class Network {
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async make(): Promise<Network> {
    // cat waits for its stdin, which ends with us.
    const holder = spawn(tool('unshare'), ['--net', '--', 'sh', '-c', 'echo ready; exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (holder.stdout) await once(holder.stdout, 'data');
    const network = new Network(holder);
    network.ip('link set lo up');
    return network;
  }

  get pid(): number {
    return this.#holder.pid ?? 0;
  }

  /** What to put before a command so that it runs in this network. */
  get prefix(): readonly string[] {
    return [tool('nsenter'), '--target', String(this.pid), '--net', '--'];
  }

  ip(words: string): void {
    const [command = '', ...args] = [...this.prefix, tool('ip'), ...words.split(' ')];
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  /** Packets sent so far by each interface. */
  packetsSent(): ReadonlyMap<string, number> {
    return packetsSent(readFileSync(`/proc/${this.pid}/net/dev`, 'utf8'));
  }

  close(): void {
    this.#holder.kill('SIGKILL');
  }
}

/** In the namespace that this process is in. */
export function ip(words: string): void {
  execFileSync(tool('ip'), words.split(' '), { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Reads /proc/net/dev. */
export function packetsSent(table: string): ReadonlyMap<string, number> {
  const rows = table.split('\n').flatMap((line) => {
    const [, name, numbers] = /^\s*([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    return name !== undefined && numbers !== undefined ? [[name, Number(numbers.split(/\s+/)[9])] as const] : [];
  });
  return new Map(rows);
}
