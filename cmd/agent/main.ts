// The agent: runs in somebody's home, dials out to the orchestrator, and makes the requests that it is given.
import { createAgent } from '../../internal/agent/app.ts';
import { runProgram } from '../../internal/kit/program.ts';
import { readAgentSettings, settings } from './config.ts';

await runProgram({
  name: 'agent',
  about: "Lends this machine's internet connection to the orchestrator that ORCH_WS names. Reads .env here as well.",
  settings,
  readConfig: (env) => readAgentSettings(env),
  build: (config, version) =>
    createAgent({
      orchestratorUrl: config.ORCH_WS,
      key: config.AGENT_KEY,
      name: config.AGENT_NAME,
      maxConcurrent: config.AGENT_MAX_CONCURRENT,
      labels: config.AGENT_LABELS,
      allowPorts: config.AGENT_ALLOW_PORTS,
      allowEndpoints: config.AGENT_ALLOW_ENDPOINTS,
      graceMs: config.AGENT_GRACE_PERIOD_MS,
      logLevel: config.LOG_LEVEL,
      version,
    }),
});
