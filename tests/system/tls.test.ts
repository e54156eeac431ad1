// Every door behind TLS: agents over wss, callers over gRPC and REST, and a certificate that is renewed while all run.
import { copyFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { expect } from '@jest/globals';
import { Agent, request } from 'undici';
import { AgentService } from '../../gen/resproxy/v1/agent_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { type Certificates, makeCertificates } from '../harness/certificates.ts';
import { Cluster } from '../harness/cluster.ts';
import { connectClient, protocols } from '../harness/connect-caller.ts';
import { GrpcCaller } from '../harness/grpc-caller.ts';
import { Origin } from '../harness/origin.ts';
import { shared, story } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';
import { until } from '../harness/waiting.ts';

const subjects = ['IP:127.0.0.1', 'DNS:localhost'];

const lab = shared(async (use) => {
  const dir = use(await TempDir.make());
  const first = makeCertificates(dir.path, subjects);
  const origin = use(await Origin.start());
  const cluster = use(
    await Cluster.start({
      env: { RESPROXY_TLS_CERT: first.certFile, RESPROXY_TLS_KEY: first.keyFile },
      ca: first.ca,
    }),
  );
  const env = {
    ORCH_WS: `wss://localhost:${cluster.ports.agent}/agent`,
    NODE_EXTRA_CA_CERTS: first.caFile,
    AGENT_ALLOW_ENDPOINTS: origin.endpoint,
  };
  await cluster.startAgent({ env });
  return { cluster, origin, first, env };
});

async function jobByRest(url: string, ca: string): Promise<number> {
  const { cluster } = lab();
  const dispatcher = new Agent({ connect: { ca } });
  try {
    const { statusCode, body } = await request(`https://127.0.0.1:${cluster.ports.http}/jobs?sync=true`, {
      method: 'POST',
      headers: { authorization: `Bearer ${cluster.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ url }),
      dispatcher,
    });
    await body.dump();
    return statusCode;
  } finally {
    await dispatcher.close();
  }
}

/** The serial number of the certificate that a door shows to a new connection. */
function serialAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
  });
}

story('an agent over wss and callers by every protocol with TLS get their answers', async () => {
  const { cluster, origin, first } = lab();
  const { ports, token } = cluster;
  for (const protocol of protocols) {
    const { runJob } = connectClient(JobService, { port: ports.http, token, protocol, ca: first.ca });
    expect((await runJob({ request: { url: origin.url('/bytes/9') } })).response?.statusCode).toBe(200);
  }
  expect(await cluster.agentIds()).toEqual(['home-1/default']);
  expect(await jobByRest(origin.url('/bytes/9'), first.ca)).toBe(200);
});

story('a renewed certificate is shown to new connections, and the agent that is there stays', async (use) => {
  const { cluster, first, origin } = lab();
  const doors = [cluster.ports.http, cluster.ports.grpc, cluster.ports.agent];
  const before = await Promise.all(doors.map(serialAt));
  expect(new Set(before).size).toBe(1);
  const [agent] = await cluster.agents();

  const second: Certificates = makeCertificates(use(await TempDir.make()).path, subjects);
  await copyFile(second.keyFile, first.keyFile);
  await copyFile(second.certFile, first.certFile);
  await until('every door shows the new one', async () => {
    const after = await Promise.all(doors.map(serialAt));
    return after.every((serial) => serial !== before[0]);
  });
  const renewed = use(new GrpcCaller(cluster.ports.grpc, cluster.token, second.ca));
  const { agents } = await renewed.call(AgentService.method.listAgents, {});
  expect(agents.map(({ connectionId }) => connectionId)).toEqual([agent?.connectionId]);
  expect(await jobByRest(origin.url('/bytes/9'), second.ca)).toBe(200);
});

story('an agent that does not trust the certificate says so and does not send its key', async () => {
  const { cluster, env } = lab();
  const agent = await cluster.startAgent({
    name: 'distrusting',
    env: { ...env, NODE_EXTRA_CA_CERTS: '' },
    detached: true,
  });
  const line = await agent.waitForLog('the refusal', ({ level }) => level === 'warn' || level === 'error');
  expect(String(line.msg)).toMatch(/certificate/i);
  expect(agent.alive).toBe(true);
});
