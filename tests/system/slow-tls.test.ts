// The same crowd in front of ports that speak TLS: it stops in the middle of a handshake, or says nothing after it.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { makeCertificates } from '../harness/certificates.ts';
import { Cluster } from '../harness/cluster.ts';
import { connectClient } from '../harness/connect-caller.ts';
import { Origin } from '../harness/origin.ts';
import type { SlowHabit } from '../harness/slow-connection.ts';
import { honestCallers, SlowCrowd } from '../harness/slow-crowd.ts';
import { shared, story } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';

const slowConnections = 2_000;
const callers = 100;
const cutGoalMs = 6_000;
const paceMs = 500;

const lab = shared(async (use) => {
  const dir = use(await TempDir.make());
  const { certFile, keyFile, caFile, ca } = makeCertificates(dir.path, ['IP:127.0.0.1', 'DNS:localhost']);
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start({ env: { RESPROXY_TLS_CERT: certFile, RESPROXY_TLS_KEY: keyFile }, ca }));
  const env = {
    ORCH_WS: `wss://localhost:${cluster.ports.agent}/agent`,
    NODE_EXTRA_CA_CERTS: caFile,
    AGENT_ALLOW_ENDPOINTS: origin.endpoint,
    AGENT_MAX_CONCURRENT: '1024',
  };
  await cluster.startAgent({ env });
  const { ports, token } = cluster;
  const client = connectClient(JobService, { port: ports.http, token, protocol: 'Connect binary', ca, idleMs: 2_000 });
  return { origin, cluster, client, hello: await clientHello() };
});

/** What a client says first. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', ALPNProtocols: ['h2'] });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

function habits(protocol: 'h2' | 'http/1.1'): SlowHabit[] {
  const { hello } = lab();
  return [
    { name: 'silent', says: '' },
    { name: 'a byte of a handshake', says: hello.subarray(0, 1) },
    { name: 'half a ClientHello', says: hello.subarray(0, hello.length / 2) },
    { name: 'a ClientHello', says: hello },
    { name: 'a ClientHello byte by byte', says: hello, bytewise: true },
    { name: 'a handshake', says: '', after: protocol },
    { name: 'a handshake and a slow line', says: 'PRI * HTTP/2.0\r\n', after: protocol, bytewise: true },
  ];
}

const byConnect = async () => {
  const { client, origin } = lab();
  expect((await client.runJob({ request: { url: origin.url('/bytes/7') } })).response?.statusCode).toBe(200);
};
const byGrpc = async () => {
  const { cluster, origin } = lab();
  const { response } = await cluster.grpc.call(JobService.method.runJob, { request: { url: origin.url('/bytes/7') } });
  expect(response?.statusCode).toBe(200);
};

for (const [door, protocol, job] of [
  ['http', 'h2', byConnect],
  ['http', 'http/1.1', byConnect],
  ['grpc', 'h2', byGrpc],
  ['agent', 'http/1.1', byGrpc],
] as const) {
  story(
    `${slowConnections} that stop in or after a TLS handshake on the ${door} port (${protocol}) are cut, and honest callers work on`,
    async (use) => {
      const stop = honestCallers({ callers, paceMs, job });
      const port = lab().cluster.ports[door];
      const crowd = use(new SlowCrowd({ port, size: slowConnections, habits: habits(protocol), pauseMs: 50 }));
      await crowd.gather();
      await crowd.areCut(cutGoalMs);
      expect(crowd.shutOut).toEqual([]);
      expect(await stop()).toBeGreaterThan(0);
    },
  );
}
