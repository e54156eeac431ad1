// The settings that `npm start` gives its two programs, by the names that they read (README).
import { resolve } from 'node:path';
import type { DevCredentials } from './credentials.ts';

export interface LocalConfig {
  readonly dir: string;
  readonly ports: { readonly http: number; readonly grpc: number; readonly agent: number; readonly admin: number };
  readonly logLevel: string;
  /** The variables that both programs inherit. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

type Env = Readonly<Record<string, string>>;

export function orchestratorEnv({ dir, ports, logLevel }: LocalConfig, credentials: DevCredentials): Env {
  return {
    RESPROXY_HTTP_PORT: String(ports.http),
    RESPROXY_GRPC_PORT: String(ports.grpc),
    RESPROXY_AGENT_PORT: String(ports.agent),
    RESPROXY_ADMIN_PORT: String(ports.admin),
    RESPROXY_KEYS: `file:${resolve(credentials.keysFile)}`,
    RESPROXY_CALLERS: `file:${resolve(credentials.callersFile)}`,
    RESPROXY_DATA_DIR: resolve(dir),
    RESPROXY_CALLBACK_SECRETS: `file:${resolve(credentials.callbackSecretsFile)}`,
    RESPROXY_LAME_DUCK_MS: '0',
    RESPROXY_SHUTDOWN_GRACE_MS: '10000',
    LOG_LEVEL: logLevel,
  };
}

export function agentEnv(
  { logLevel }: LocalConfig,
  { agentKey }: DevCredentials,
  agentPort: number,
  echoPort: number,
): Env {
  return {
    ORCH_WS: `ws://127.0.0.1:${agentPort}/agent`,
    AGENT_KEY: agentKey,
    AGENT_ALLOW_ENDPOINTS: `127.0.0.1/32:${echoPort}`,
    LOG_LEVEL: logLevel,
  };
}
