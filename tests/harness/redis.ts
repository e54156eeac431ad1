// A real redis-server on loopback with its files in a folder of its own. It can be killed, frozen and started again on
// its port with its data. It dies with the test process, however that went.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { promisify } from 'node:util';
import type { Certificates } from './certificates.ts';
import { newToken } from './credentials.ts';
import { Program } from './process.ts';
import { TempDir } from './temp.ts';
import { tool } from './tools.ts';
import { until } from './waiting.ts';

export interface RedisUser {
  readonly name: string;
  readonly password: string;
  /** ACL rules such as `~rp:* +@all`; everything by default. */
  readonly rules?: string;
}

export interface RedisServerOptions {
  /** With the AOF each write is on disk before its answer, so that a restart keeps the data; the default. */
  readonly persistence?: 'aof' | 'none';
  /** TLS only, on its one port; clients need no certificate. */
  readonly tls?: Certificates;
  /** With users, nobody gets in without a password. */
  readonly users?: readonly RedisUser[];
  readonly maxmemory?: string;
  readonly maxmemoryPolicy?: string;
  /** More lines for redis.conf, such as `cluster-enabled yes`. */
  readonly config?: readonly string[];
  /** Runs as a Sentinel. */
  readonly sentinel?: boolean;
}

const run = promisify(execFile);
const cliBoundMs = 20_000;
const harnessUser = 'harness';

export class RedisServer {
  readonly port: number;
  readonly #dir: TempDir;
  readonly #options: RedisServerOptions;
  /** What `cli` logs in with when the server has users. */
  readonly #password: string;
  #program: Program;

  private constructor(port: number, dir: TempDir, options: RedisServerOptions, password: string) {
    this.port = port;
    this.#dir = dir;
    this.#options = options;
    this.#password = password;
    this.#program = this.#launch();
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const [dir, port, password] = [await TempDir.make(), await freePort(), newToken()];
    await writeFile(dir.file('redis.conf'), configOf(port, options, password));
    const server = new RedisServer(port, dir, options, password);
    await server.#ready();
    return server;
  }

  /** Of the first user, when there are users. */
  get url(): string {
    const { tls, users: [user] = [] } = this.#options;
    const login = user ? `${encodeURIComponent(user.name)}:${encodeURIComponent(user.password)}@` : '';
    const ca = tls ? `?tlsCa=${encodeURIComponent(tls.caFile)}` : '';
    return `${tls ? 'rediss' : 'redis'}://${login}127.0.0.1:${this.port}${ca}`;
  }

  /** What redis-cli prints for a command. */
  async cli(...command: readonly string[]): Promise<string> {
    const { tls, users } = this.#options;
    const line = ['-h', '127.0.0.1', '-p', String(this.port), ...(tls ? ['--tls', '--cacert', tls.caFile] : [])];
    if (users) line.push('--user', harnessUser, '--no-auth-warning');
    const { stdout } = await run(tool('redis-cli'), [...line, ...command], {
      env: { ...process.env, ...(users ? { REDISCLI_AUTH: this.#password } : {}) },
      timeout: cliBoundMs,
    });
    return stdout.trimEnd();
  }

  /** Ends it at once, as a power cut would. */
  async kill(): Promise<void> {
    await this.#program.kill();
  }

  /** Freezes it: the kernel goes on accepting connections and bytes, nobody answers. */
  stop(): void {
    this.#program.signal('SIGSTOP');
  }

  cont(): void {
    this.#program.signal('SIGCONT');
  }

  /** The same port, the same files; running or killed before. */
  async restart(): Promise<void> {
    await this.kill();
    this.#program = this.#launch();
    await this.#ready();
  }

  async close(): Promise<void> {
    await this.kill();
    await this.#dir.close();
  }

  #launch(): Program {
    const mode = this.#options.sentinel ? ['--sentinel'] : [];
    return new Program({
      name: `redis:${this.port}`,
      command: tool('redis-server'),
      args: [this.#dir.file('redis.conf'), ...mode],
      cwd: this.#dir.path,
      prefix: [tool('setpriv'), '--pdeathsig', 'KILL', '--'],
    });
  }

  async #ready(): Promise<void> {
    await until(`redis on port ${this.port} answers`, async () => {
      if (!this.#program.alive) throw new Error(`redis ended at its start\n${this.#program.tail()}`);
      return (await this.cli('PING').catch(() => '')) === 'PONG';
    });
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function configOf(port: number, options: RedisServerOptions, password: string): string {
  const { persistence = 'aof', tls, users, maxmemory, maxmemoryPolicy, config = [], sentinel } = options;
  const listener = tls
    ? [`port 0`, `tls-port ${port}`, `tls-cert-file ${tls.certFile}`, `tls-key-file ${tls.keyFile}`]
    : [`port ${port}`];
  if (tls) listener.push(`tls-ca-cert-file ${tls.caFile}`, 'tls-auth-clients no', 'tls-replication yes');
  const disk = persistence === 'aof' ? ['appendonly yes', 'appendfsync always'] : ['appendonly no'];
  const logins = [...(users ?? []), { name: harnessUser, password }].map(
    ({ name, password: secret, rules = '~* &* +@all' }: RedisUser) => `user ${name} on >${secret} ${rules}`,
  );
  return [
    'bind 127.0.0.1',
    ...listener,
    ...(sentinel ? [] : ['save ""', ...disk]),
    ...(users ? ['user default off', ...logins] : []),
    ...(maxmemory ? [`maxmemory ${maxmemory}`] : []),
    ...(maxmemoryPolicy ? [`maxmemory-policy ${maxmemoryPolicy}`] : []),
    ...config,
    '',
  ].join('\n');
}
