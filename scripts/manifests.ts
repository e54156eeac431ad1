// Writes k8s/manifests/resproxy.yaml: the chart as Helm renders it, for those without Helm (`npm run manifests`). With
// --check it writes nothing, and fails when the file is not what the chart renders.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { helm } from '../tests/kube/tools/helm.ts';

const projectDir = join(import.meta.dirname, '..');
const target = join(projectDir, 'k8s/manifests/resproxy.yaml');
const values = join(projectDir, 'k8s/manifests/values.yaml');
const head =
  '# Rendered from charts/resproxy with values.yaml beside this file: npm run manifests. Not to be edited.\n';
/** Helm has no part in what is applied without it. */
const helmsOwn = /^ *(app\.kubernetes\.io\/managed-by|helm\.sh\/chart): .*\n/gm;

function render(): string {
  const args = [
    'template',
    'resproxy',
    join(projectDir, 'charts/resproxy'),
    '--namespace',
    'resproxy',
    '--values',
    values,
  ];
  const rendered = execFileSync(helm(), args, { encoding: 'utf8', timeout: 60_000 });
  return (
    head +
    rendered
      .replace(helmsOwn, '')
      .replace(/^# Source: .*\n/gm, '')
      .replace(/\n{2,}/g, '\n')
  );
}

const text = render();
if (!process.argv.includes('--check')) writeFileSync(target, text);
else if (readFileSync(target, 'utf8') !== text) {
  console.error('k8s/manifests/resproxy.yaml is not what the chart renders: npm run manifests');
  process.exitCode = 1;
}
