// Resources of other projects that the chart may use, as those projects publish them: their CRDs lie in their Go modules,
// which `go mod download` fetches and checks against the checksum database.
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { go } from '../../harness/tools.ts';

const modules = [
  {
    module: 'sigs.k8s.io/gateway-api@v1.6.0',
    files: ['httproutes', 'grpcroutes', 'tlsroutes'].map(
      (name) => `config/crd/standard/gateway.networking.k8s.io_${name}.yaml`,
    ),
  },
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    files: ['servicemonitors', 'prometheusrules'].map(
      (name) => `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`,
    ),
  },
  { module: 'github.com/cert-manager/cert-manager@v1.21.2', files: ['deploy/crds/cert-manager.io_certificates.yaml'] },
];
const boundMs = 120_000;
export const foreignCrdsBoundMs = modules.length * boundMs;

/** Paths of the CRDs. */
export function foreignCrds(): readonly string[] {
  return modules.flatMap(({ module, files }) => {
    const { Dir } = JSON.parse(download(module)) as { Dir: string };
    return files.map((file) => `${Dir}/${file}`);
  });
}

/** Outside of this project, so that no go.mod is asked. */
function download(module: string): string {
  try {
    return execFileSync(go(), ['mod', 'download', '-json', module], {
      cwd: tmpdir(),
      encoding: 'utf8',
      timeout: boundMs,
    });
  } catch (error) {
    throw new Error(`these tests need ${module}, which Go fetches: install Go`, { cause: error });
  }
}
