// What `npm start` shows when everything runs. The two commands work as pasted into a shell in the same folder.

export interface Facts {
  readonly version: string;
  readonly ports: { readonly http: number; readonly grpc: number; readonly agent: number; readonly admin: number };
  readonly echoPort: number;
  readonly check: { readonly statusCode: number; readonly ms: number };
  /** Whether the keys were made by this run. */
  readonly made: boolean;
  /** The data folder, as a shell in the working folder names it. */
  readonly dir: string;
}

export function screen({ version, ports, echoPort, check, made, dir }: Facts): string {
  const http = `http://127.0.0.1:${ports.http}`;
  const echo = `http://127.0.0.1:${echoPort}/echo`;
  const authorization = `-H "Authorization: Bearer $(cat ${dir}/dev-token)"`;
  return `
resproxy ${version} runs on this machine; Ctrl-C stops it.

  HTTP    ${http.padEnd(28)}  Connect and gRPC-Web at their own paths;
          ${''.padEnd(28)}  REST: POST /jobs?sync=true, GET /agents, GET /health
  gRPC    ${`127.0.0.1:${ports.grpc}`.padEnd(28)}  resproxy.v1.JobService, resproxy.v1.AgentService
  agents  ${`ws://127.0.0.1:${ports.agent}/agent`.padEnd(28)}  one is connected: dev/default
  admin   ${`http://127.0.0.1:${ports.admin}`.padEnd(28)}  /livez, /readyz, /metrics
  echo    ${echo.padEnd(28)}  an origin to try; of this machine, the agent may reach only this

Self-check: a job to the echo, REST > orchestrator > agent > origin and back, answered ${check.statusCode} in ${check.ms} ms.

Try it in another terminal, in this folder:

  curl -s '${http}/jobs?sync=true' ${authorization} -H 'Content-Type: application/json' -d '{"url": "${echo}"}'

  grpcurl -plaintext ${authorization} -d '{"request": {"url": "${echo}"}}' 127.0.0.1:${ports.grpc} resproxy.v1.JobService/RunJob

Keys, ${made ? 'made by this run' : 'from an earlier run'}: ${dir}/dev-token (yours), ${dir}/dev-agent.key (the agent's).
Logs: ${dir}/orchestrator.log, ${dir}/agent.log.
`;
}
