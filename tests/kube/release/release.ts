// One release of the chart in namespace `home`, by Helm that waits until it is ready, and everything of it that is in the
// cluster.
import { until } from '../../harness/waiting.ts';
import { at, chartDir, type Manifest, type Values, valueFlags } from '../chart/chart.ts';
import type { ApiServer, Ran } from './api-server.ts';

export interface Objects {
  /** Every object, as text without what the cluster says of its state. */
  readonly texts: Readonly<Record<string, string>>;
  readonly pods: readonly ReleasePod[];
}

interface ReleasePod {
  readonly name: string;
  /** One that is replaced has another. */
  readonly uid: string;
  readonly part: string | undefined;
  readonly node: string;
}

export const inHome = ['--namespace', 'home'];
const waiting = ['--wait', '--timeout', '60s'];
const settleBoundMs = 60_000;
const kinds =
  'all,secrets,configmaps,ingresses,roles,rolebindings,serviceaccounts,pdb,hpa,pvc,networkpolicies,agentkeys';

export class Release {
  readonly #api: ApiServer;

  constructor(api: ApiServer) {
    this.#api = api;
  }

  install(values: Values): Ran {
    return this.#api.helm(this.#command('install', values));
  }

  upgrade(values: Values): Ran {
    return this.#api.helm(this.#command('upgrade', values));
  }

  /** With values that may be refused. */
  try(verb: 'install' | 'upgrade', values: Values): Ran {
    return this.#api.tryHelm(this.#command(verb, values));
  }

  rollback(revision: number): Ran {
    return this.#api.helm(['rollback', 'demo', String(revision), ...inHome, ...waiting]);
  }

  uninstall(): Ran {
    return this.#api.helm(['uninstall', 'demo', ...inHome, ...waiting]);
  }

  objects(): Objects {
    const args = ['get', kinds, '--all-namespaces', '-l', 'app.kubernetes.io/instance=demo', '-o', 'json'];
    const { items } = JSON.parse(this.#api.kubectl(args).stdout) as { items: Manifest[] };
    return {
      texts: Object.fromEntries(items.map((item) => [`${item.kind}/${item.metadata.name}`, textOf(item)])),
      pods: items.filter(({ kind }) => kind === 'Pod').map(podOf),
    };
  }

  /** Once there are so many orchestrators: an autoscaler makes its own after the installation. */
  settled(orchestrators: number): Promise<Objects> {
    return until(
      `${orchestrators} orchestrators`,
      () => {
        const found = this.objects();
        return uidsOf(found, 'orchestrator').length === orchestrators && found;
      },
      settleBoundMs,
    );
  }

  #command(verb: string, values: Values): readonly string[] {
    return [verb, 'demo', chartDir, ...inHome, ...waiting, ...valueFlags(values)];
  }
}

export function uidsOf({ pods }: Objects, part: string): readonly string[] {
  return pods
    .filter((pod) => pod.part === part)
    .map(({ uid }) => uid)
    .sort();
}

/** Whether a condition is true of an object in the cluster. */
export function holds({ status }: Manifest, type: string): boolean {
  const conditions = at(status, 'conditions') as { type: string; status: string }[] | undefined;
  return conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
}

function textOf(item: Manifest): string {
  return JSON.stringify(item, (key, value) => (key === 'resourceVersion' || key === 'status' ? undefined : value));
}

function podOf(pod: Manifest): ReleasePod {
  const { name, uid = '', labels } = pod.metadata;
  return { name, uid, part: labels?.['app.kubernetes.io/component'], node: String(at(pod, 'spec.nodeName')) };
}
