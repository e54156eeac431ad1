// The egress guard with its real policy, in networks of its own. Run by guard.test.ts inside a private network and mount
// namespace (netns.ts). It joins three networks,
//
//     pod, caller, name server  --- chan --->  agent  --- home --->  the LAN and the internet, where everything answers
//
// runs every row of guard-rows.ts as a job, and writes one JSON line for each: how it ended, how many packets the agent
// sent on lo and home meanwhile, and which addresses in the last network were asked for anything.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { makeCertificates } from './certificates.ts';
import { Cluster } from './cluster.ts';
import { DnsServer } from './dns-server.ts';
import {
  allowedRows,
  internetAddresses,
  lanAddresses,
  type Row,
  rebindingRow,
  redirectRows,
  refusedRows,
  zone,
} from './guard-rows.ts';
import { ip, Network } from './netns.ts';
import type { Hit } from './origin-routes.ts';
import { Program } from './process.ts';
import { TempDir } from './temp.ts';
import { tool } from './tools.ts';

/** The two networks, and a folder for what their programs read. */
interface Lab {
  readonly dir: TempDir;
  readonly agentNet: Network;
  readonly farNet: Network;
}

const closing = new AsyncDisposableStack();
try {
  await runRows();
} finally {
  await closing.disposeAsync();
}

async function runRows(): Promise<void> {
  const dir = await TempDir.make();
  closing.defer(() => dir.close());
  const lab: Lab = { dir, agentNet: await network(), farNet: await network() };
  joinNetworks(lab);
  useNameServer(lab);
  const dns = await DnsServer.start(zone, '44.0.0.1');
  closing.defer(() => dns.close());
  await originIn(lab.farNet);
  await originIn(lab.agentNet);
  const cluster = await startCluster(lab);
  await quiet(lab);
  const rows = [...refusedRows, ...redirectRows, rebindingRow, rebindingRow, ...allowedRows];
  for (const row of rows) await tell(row, lab, cluster);
  process.stdout.write(`${JSON.stringify({ msg: 'done' })}\n`);
}

/** Runs the row's job and writes what came of it. */
async function tell({ name, url }: Row, { agentNet, farNet }: Lab, cluster: Cluster): Promise<void> {
  const packetsBefore = agentNet.packetsSent();
  const hitsBefore = farHits(farNet).length;
  const { status, json } = await cluster.rest.runJob({ url, timeoutMs: 10_000 });
  const packetsAfter = agentNet.packetsSent();
  const sent = (link: string) => (packetsAfter.get(link) ?? 0) - (packetsBefore.get(link) ?? 0);
  const reached = farHits(farNet).slice(hitsBefore);
  const line = {
    msg: 'row',
    name,
    status,
    code: json.code,
    sent: { lo: sent('lo'), home: sent('home') },
    reached: reached.map(({ localAddress, path }) => `${localAddress.replace('::ffff:', '')}${path}`),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function joinNetworks({ agentNet, farNet }: Lab): void {
  ip('link set lo up');
  ip(`link add name chan type veth peer name chan netns ${agentNet.pid}`);
  ip('address add 44.0.0.1/30 dev chan');
  agentNet.ip('address add 44.0.0.2/30 dev chan');
  agentNet.ip(`link add name home type veth peer name home netns ${farNet.pid}`);
  ip('link set chan up');
  agentNet.ip('link set chan up');
  // No router solicitations and the like: whatever is sent on home was sent for a job.
  for (const net of [agentNet, farNet]) {
    net.ip('link set home addrgenmode none');
    net.ip('link set home up');
  }
  addresses(agentNet, 'home', ['11.22.33.2/24', '2a00:1::2/64']);
  addresses(farNet, 'home', ['11.22.33.1/24', '11.22.33.77/24', '2a00:1::1/64']);
  addresses(farNet, 'lo', [...lanAddresses, ...internetAddresses]);
  agentNet.ip('route add default via 11.22.33.1');
  agentNet.ip('-6 route add default via 2a00:1::1');
}

function addresses(net: Network, link: string, list: readonly string[]): void {
  for (const address of list) net.ip(`address add ${address} dev ${link}${address.includes(':') ? ' nodad' : ''}`);
}

/** Only in this mount namespace. */
function useNameServer({ dir }: Lab): void {
  const files = {
    '/etc/resolv.conf': 'nameserver 44.0.0.1\noptions timeout:2 attempts:1\n',
    '/etc/nsswitch.conf': 'hosts: files dns\n',
  };
  for (const [path, text] of Object.entries(files)) {
    const own = dir.file(path.replaceAll('/', '-'));
    writeFileSync(own, text);
    execFileSync(tool('mount'), ['--bind', own, path]);
  }
}

async function network(): Promise<Network> {
  const made = await Network.make();
  closing.defer(() => made.close());
  return made;
}

async function originIn({ prefix }: Network): Promise<void> {
  const args = ['tests/harness/origin-main.ts', '::', '80'];
  const origin = new Program({ name: 'origin', args, prefix });
  closing.defer(async () => void (await origin.kill()));
  await origin.waitForLog('listening', ({ msg }) => msg === 'listening');
}

async function startCluster({ dir, agentNet }: Lab): Promise<Cluster> {
  const certificates = makeCertificates(dir.path, ['IP:44.0.0.1']);
  const started = await Cluster.start({
    env: {
      RESPROXY_BIND: '0.0.0.0',
      RESPROXY_PLAINTEXT: 'http,grpc',
      RESPROXY_AGENT_TLS_CERT: certificates.certFile,
      RESPROXY_AGENT_TLS_KEY: certificates.keyFile,
    },
  });
  closing.defer(() => started.close());
  const env = {
    ORCH_WS: `wss://44.0.0.1:${started.ports.agent}/agent`,
    NODE_EXTRA_CA_CERTS: certificates.caFile,
  };
  await started.startAgent({ prefix: agentNet.prefix, env });
  return started;
}

/** Resolves when the links have been silent for a while: joining a network makes them speak by themselves. */
async function quiet({ agentNet }: Lab): Promise<void> {
  let silentMs = 0;
  let last = '';
  for (let waitedMs = 0; silentMs < 1_500 && waitedMs < 15_000; waitedMs += 100) {
    await pause(100);
    const packets = agentNet.packetsSent();
    const now = `${packets.get('lo')} ${packets.get('home')}`;
    silentMs = now === last ? silentMs + 100 : 0;
    last = now;
  }
}

function farHits(farNet: Network): readonly Hit[] {
  const [command, ...args] = [...farNet.prefix, tool('curl'), '-s', 'http://127.0.0.1/_hits'];
  const hits = JSON.parse(execFileSync(command, args, { encoding: 'utf8' })) as readonly Hit[];
  return hits.filter(({ path }) => path !== '/_hits');
}
