// What every program does around its app: --help, --version, settings, start, one signal to stop, an exit status.
// 0 clean, 1 failed, 2 bad settings or arguments.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeSettings, SettingsError, type SettingTable } from './settings.ts';

export interface App {
  /** Resolves when it serves; rejects when it cannot. */
  start(): Promise<void>;
  /** Drains and stops; bounded by the app's own grace. */
  stop(reason: string): Promise<void>;
}

export interface Program<C> {
  readonly name: string;
  /** One sentence for --help. */
  readonly about: string;
  readonly settings: SettingTable;
  readonly readConfig: (env: NodeJS.ProcessEnv) => C;
  readonly build: (config: C, version: string) => App | Promise<App>;
}

/** Written into the agent's bundle by its build, where there is no package.json to read. */
declare const RESPROXY_BUNDLED_VERSION: string | undefined;

export const version: string = typeof RESPROXY_BUNDLED_VERSION === 'string' ? RESPROXY_BUNDLED_VERSION : readVersion();

export async function runProgram<C>(program: Program<C>): Promise<void> {
  if (answeredByFlag(program)) return;
  const config = readConfigOrExit(program);
  const app = await program.build(config, version);
  const stopped = stopOnSignal(app);
  try {
    await app.start();
  } catch (error) {
    fail(program.name, error instanceof Error ? error.message : String(error));
  }
  await stopped;
  process.exit(process.exitCode ?? 0);
}

function answeredByFlag<C>({ name, about, settings }: Program<C>): boolean {
  const options = { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } } as const;
  try {
    const { values } = parseArgs({ options });
    if (values.version) process.stdout.write(`${version}\n`);
    else if (values.help)
      process.stdout.write(
        `resproxy ${name} ${version}\n${about}\n\nSettings, from the environment:\n${describeSettings(settings)}\n`,
      );
    return Boolean(values.version || values.help);
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}. Try --help.\n`);
    process.exit(2);
  }
}

function readConfigOrExit<C>({ name, readConfig }: Program<C>): C {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${name}: ${error.faults.length === 1 ? 'a setting is' : 'some settings are'} not usable:\n`);
    for (const fault of error.faults) process.stderr.write(`  ${fault}\n`);
    process.exit(2);
  }
}

/** On Windows: Ctrl-C, Ctrl-Break, and the closing of the console's window. */
const stopSignals: readonly NodeJS.Signals[] =
  process.platform === 'win32' ? ['SIGINT', 'SIGBREAK', 'SIGHUP'] : ['SIGTERM', 'SIGINT'];

/** The first signal drains; a second one ends the process at once. */
function stopOnSignal(app: App): Promise<void> {
  return new Promise((resolve, reject) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (asked) process.exit(1);
      asked = true;
      app.stop(signal).then(resolve, reject);
    };
    for (const signal of stopSignals) process.on(signal, onSignal);
  });
}

function fail(name: string, message: string): never {
  process.stderr.write(`${name}: ${message}\n`);
  process.exit(1);
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}
