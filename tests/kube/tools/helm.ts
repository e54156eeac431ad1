// Helm: from PATH, from this project's cache, or built into that cache by Go, in the version that helm/go.mod beside this file
// names. `node tests/kube/tools/helm.ts` builds it in advance.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { goProgram, versionIn } from './go-program.ts';

const moduleDir = join(import.meta.dirname, 'helm');
/** Of a cold build, with every library still to be fetched. */
export const helmBuildBoundMs = 20 * 60_000;

/** The path of Helm. */
export function helm(): string {
  if (spawnSync('helm', ['version'], { stdio: 'ignore', timeout: 10_000 }).status === 0) return 'helm';
  const version = versionIn(moduleDir, 'helm.sh/helm/v4');
  return goProgram({
    name: 'helm',
    main: 'helm.sh/helm/v4/cmd/helm',
    moduleDir,
    cacheName: `helm-${version}`,
    variables: { 'helm.sh/helm/v4/internal/version.version': version },
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(`${helm()}\n`);
