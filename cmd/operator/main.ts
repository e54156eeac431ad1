// The operator: makes a key and a Secret for every AgentKey in Kubernetes.
import { runProgram } from '../../internal/kit/program.ts';
import { OperatorApp } from '../../internal/operator/app.ts';
import { readConfig, settings } from './config.ts';

await runProgram({
  name: 'operator',
  about: 'Makes a key for every AgentKey resource in Kubernetes, writes it to a Secret and keeps both in order.',
  settings,
  readConfig,
  build: (config, version) => new OperatorApp(config, version),
});
