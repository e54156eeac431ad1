// The orchestrator: takes jobs from callers and sends them through agents.
import { runProgram } from '../../internal/kit/program.ts';
import { OrchestratorApp } from '../../internal/orchestrator/app.ts';
import { readConfig, settings } from './config.ts';

await runProgram({
  name: 'orchestrator',
  about: 'Takes jobs over gRPC and REST and makes their HTTP requests through the agents that dialled in.',
  settings,
  readConfig,
  build: (config) => OrchestratorApp.build(config),
});
