// A control plane to try things on by hand: `node tests/kube/control-plane.ts [NODES]` prints a kubeconfig and serves until
// it is interrupted. Nothing of it is left.
import { ControlPlane } from './harness/control-plane.ts';

const nodes = Number(process.argv[2] ?? 0);
const plane = await ControlPlane.start({ nodes });
process.stdout.write(`export KUBECONFIG=${plane.adminKubeconfig}\n`);

const { promise: interrupted, resolve } = Promise.withResolvers<void>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
const keepAlive = setInterval(() => {}, 60_000);
await interrupted;
clearInterval(keepAlive);
await plane.close();
