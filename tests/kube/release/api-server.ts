// A control plane as those who install see it: kubectl and Helm, what they print, and what the API server warns of. Always
// one of our own: these tests delete resources that a cluster has once.
import { spawnSync } from 'node:child_process';
import { ControlPlane, type ControlPlaneOptions } from '../harness/control-plane.ts';
import { kubeProgram } from '../tools/build.ts';

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  /** Warnings of the API server among others. */
  readonly stderr: string;
}

const runBoundMs = 60_000;
const maxOutputBytes = 64 * 1024 * 1024;

export class ApiServer {
  readonly #plane: ControlPlane;

  private constructor(plane: ControlPlane) {
    this.#plane = plane;
  }

  static async start(options?: ControlPlaneOptions): Promise<ApiServer> {
    return new ApiServer(await ControlPlane.start(options));
  }

  /** For kubeconfigs of others than the administrator. */
  get address(): { readonly server: string; readonly caFile: string } {
    return { server: this.#plane.url, caFile: this.#plane.caFile };
  }

  /** Runs kubectl and throws when it fails. */
  kubectl(args: readonly string[], input = ''): Ran {
    const ran = this.tryKubectl(args, input);
    if (ran.status !== 0) throw new Error(`kubectl ${args.join(' ')}\n${ran.stderr}`);
    return ran;
  }

  tryKubectl(args: readonly string[], input = ''): Ran {
    return this.run(kubeProgram('kubectl'), args, input);
  }

  run(command: string, args: readonly string[], input = ''): Ran {
    const env = { ...process.env, KUBECONFIG: this.#plane.adminKubeconfig };
    const bounds = { timeout: runBoundMs, maxBuffer: maxOutputBytes };
    const { status, stdout, stderr } = spawnSync(command, args, { env, input, encoding: 'utf8', ...bounds });
    return { status, stdout, stderr };
  }

  close(): Promise<void> {
    return this.#plane.close();
  }
}
