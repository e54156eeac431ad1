// The entry point of the image: the first argument says which program this container is. It is loaded here and not
// started, so that it is process 1 and the platform's SIGTERM is its own.
import { isHealthy, readProcessOne } from './health.ts';
import { nameSourceLines } from './source-lines.ts';

nameSourceLines(new URL('.', import.meta.url));

const programs: Readonly<Record<string, () => Promise<unknown>>> = {
  orchestrator: () => import('../orchestrator/main.ts'),
  agent: () => import('../agent/main.ts'),
  operator: () => import('../operator/main.ts'),
  keygen: () => import('../keygen/main.ts'),
  /** For the image's HEALTHCHECK. */
  health: async () => {
    process.exitCode = (await isHealthy(readProcessOne(), process.env)) ? 0 : 1;
  },
};

const [name = ''] = process.argv.splice(2, 1);
const load = Object.hasOwn(programs, name) ? programs[name] : undefined;
if (!load) {
  process.stderr.write(`the first argument must name a program: ${Object.keys(programs).join(', ')}\n`);
  process.exit(2);
}
await load();
