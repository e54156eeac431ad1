// Nodes that kwok plays, by the stages beside this file, and the controllers without which no pod gets onto one.
import { randomInt } from 'node:crypto';

export const workloadControllers = [
  'node-lifecycle-controller',
  'deployment-controller',
  'replicaset-controller',
  'disruption-controller',
  'horizontal-pod-autoscaler-controller',
  'persistentvolume-binder-controller',
  'persistentvolume-protection-controller',
  'persistentvolumeclaim-protection-controller',
  'root-ca-certificate-publisher-controller',
];

export function kwokFlags(): readonly string[] {
  return [`--config=${import.meta.dirname}/stages.yaml`, '--manage-all-nodes=true', `--cidr=${loopbackNetwork()}`];
}

/** Each in a zone of its own. */
export function nodeObjects(count: number): readonly object[] {
  return Array.from({ length: count }, (_, i) => {
    const name = `node-${i}`;
    const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${i}`, pool: 'web' };
    return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } };
  });
}

/** Pods have addresses that are this machine's, so that its processes can be those pods; others may test here as well. */
function loopbackNetwork(): string {
  return `127.${1 + randomInt(254)}.${randomInt(256)}.1/24`;
}
