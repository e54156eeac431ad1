// The settings of `npm start`: the orchestrator's ports and how much is logged. Everything else is made for one machine.

import { integer, logLevel, readSettings } from '../../internal/kit/settings.ts';
import type { LocalConfig } from '../../internal/local/child-env.ts';

const port = (help: string, fallback: number) =>
  integer(`${help} 0 lets the system choose.`, { fallback, min: 0, max: 65535 });

export const settings = {
  RESPROXY_HTTP_PORT: port('Port of Connect, gRPC-Web and REST.', 8080),
  RESPROXY_GRPC_PORT: port('Port of the gRPC door.', 9090),
  RESPROXY_AGENT_PORT: port('Port that the agent dials.', 8443),
  RESPROXY_ADMIN_PORT: port('Port of /livez, /readyz and /metrics.', 9464),
  LOG_LEVEL: logLevel,
};

/** Settings of the two programs come from here alone, never by accident from a shell. */
const ours = /^(RESPROXY_|AGENT_|ORCH_WS$|REDIS_URL$|LOG_LEVEL$)/;

export function readConfig(env: NodeJS.ProcessEnv): LocalConfig {
  const values = readSettings(settings, env);
  return {
    dir: '.resproxy',
    ports: {
      http: values.RESPROXY_HTTP_PORT,
      grpc: values.RESPROXY_GRPC_PORT,
      agent: values.RESPROXY_AGENT_PORT,
      admin: values.RESPROXY_ADMIN_PORT,
    },
    logLevel: values.LOG_LEVEL,
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name))),
  };
}
