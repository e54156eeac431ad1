import { expect, test } from '@jest/globals';
import type { AgentRecord, AgentStatus, ExitState } from '../registry/agents.ts';
import { Metrics } from './metrics.ts';

function agent(status: AgentStatus, exits: readonly [ExitState, string][]): AgentRecord {
  return {
    connectionId: 'c',
    agentId: 'home/default',
    status,
    connectedAt: 0,
    lastHeartbeat: 0,
    podId: 'p',
    version: '1',
    metadata: {},
    exits: exits.map(([state, country]) => ({
      exitId: 'home/default/direct',
      name: 'direct',
      kind: 'direct',
      state,
      capacity: 1,
      inFlight: 0,
      country,
      region: '',
      city: '',
      asn: 0,
      labels: new Map(),
    })),
  };
}

async function lines(metrics: Metrics, name: string): Promise<string[]> {
  const page = await metrics.page();
  return page.split('\n').filter((line) => line.startsWith(name));
}

const resetNames = new Map([[1, 'CANCELLED']]);

test('every name that dashboards rely on is on the page', async () => {
  const metrics = new Metrics({ agents: () => [], resetNames, streamBytes: () => 5, redisUp: () => true });
  metrics.countConnections({});
  const page = await metrics.page();
  expect(page).toContain('\nresproxy_stream_buffered_bytes 5\n');
  const names = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`).sort();
  expect(names).toEqual([
    'resproxy_agents gauge',
    'resproxy_attempts_total counter',
    'resproxy_bytes_total counter',
    'resproxy_callbacks_total counter',
    'resproxy_channel_blocked_seconds_total counter',
    'resproxy_connections gauge',
    'resproxy_connections_cut_total counter',
    'resproxy_event_loop_lag_seconds histogram',
    'resproxy_exits gauge',
    'resproxy_heartbeat_rtt_seconds histogram',
    'resproxy_job_duration_seconds histogram',
    'resproxy_jobs_in_flight gauge',
    'resproxy_jobs_total counter',
    'resproxy_peer_blocked_seconds_total counter',
    'resproxy_peer_bytes_total counter',
    'resproxy_peer_links gauge',
    'resproxy_peer_rtt_seconds histogram',
    'resproxy_queue_attempts_total counter',
    'resproxy_queue_claims_total counter',
    'resproxy_queue_dead_letters_total counter',
    'resproxy_queue_overdue_total counter',
    'resproxy_queue_retries_total counter',
    'resproxy_queue_wait_seconds histogram',
    'resproxy_redis_command_duration_seconds histogram',
    'resproxy_redis_commands_total counter',
    'resproxy_redis_reconnects_total counter',
    'resproxy_redis_up gauge',
    'resproxy_registry_change_lag_seconds histogram',
    'resproxy_registry_remote_agents gauge',
    'resproxy_registry_remote_exits gauge',
    'resproxy_registry_snapshots_total counter',
    'resproxy_registry_staleness_seconds gauge',
    'resproxy_registry_unpublished gauge',
    'resproxy_relay_total counter',
    'resproxy_resets_total counter',
    'resproxy_stream_buffered_bytes gauge',
    'resproxy_token_key_reads_total counter',
    'resproxy_token_keys_age_seconds gauge',
    'resproxy_tokens_total counter',
  ]);
});

test('connections are counted by door and state, and those that were cut by reason', async () => {
  const metrics = new Metrics({ agents: () => [], resetNames, streamBytes: () => 0 });
  const cuts = { overdue: 3, address: 0, crowd: 2, full: 0 };
  metrics.countConnections({ agent: { known: 7, strangers: 1, cuts } });
  // Two scrapes: nothing is counted twice.
  await metrics.page();
  expect(await lines(metrics, 'resproxy_connections{')).toEqual([
    'resproxy_connections{door="agent",state="known"} 7',
    'resproxy_connections{door="agent",state="stranger"} 1',
  ]);
  expect(await lines(metrics, 'resproxy_connections_cut_total{door="agent",reason="overdue"}')).toEqual([
    'resproxy_connections_cut_total{door="agent",reason="overdue"} 3',
  ]);
});

test('jobs are counted by door and code, and timed unless they were refused', async () => {
  const metrics = new Metrics({ agents: () => [], resetNames, streamBytes: () => 0 });
  metrics.jobs.started();
  metrics.jobs.started();
  metrics.jobs.finished('grpc', 'OK', 20);
  metrics.jobs.refused('rest', 'UNAUTHENTICATED');
  expect(await lines(metrics, 'resproxy_jobs_total')).toEqual([
    'resproxy_jobs_total{door="grpc",code="OK"} 1',
    'resproxy_jobs_total{door="rest",code="UNAUTHENTICATED"} 1',
  ]);
  expect(await lines(metrics, 'resproxy_jobs_in_flight')).toEqual(['resproxy_jobs_in_flight 1']);
  expect(await lines(metrics, 'resproxy_job_duration_seconds_sum')).toEqual([
    'resproxy_job_duration_seconds_sum{door="grpc"} 0.02',
  ]);
});

test('the fleet is counted at each scrape, with countries that stay few', async () => {
  let fleet = [agent('available', [['available', 'DE']]), agent('busy', [['paused', 'nowhere']])];
  const metrics = new Metrics({ agents: () => fleet, resetNames, streamBytes: () => 0 });
  expect(await lines(metrics, 'resproxy_exits{')).toEqual([
    'resproxy_exits{state="available",country="DE"} 1',
    'resproxy_exits{state="paused",country="other"} 1',
  ]);
  fleet = [agent('draining', [])];
  expect(await lines(metrics, 'resproxy_exits{')).toEqual([]);
  expect(await lines(metrics, 'resproxy_agents{')).toEqual([
    'resproxy_agents{state="available"} 0',
    'resproxy_agents{state="busy"} 0',
    'resproxy_agents{state="draining"} 1',
  ]);
});

test('the channel counts bytes, waits and resets; a code that is not ours is not a new label', async () => {
  const metrics = new Metrics({ agents: () => [], resetNames, streamBytes: () => 0 });
  metrics.channel.bytes('in', 100);
  metrics.channel.bytes('in', 50);
  metrics.channel.bytes('out', 7);
  metrics.channel.blocked('stream', 1_500);
  metrics.channel.blocked('stream', 500);
  metrics.channel.reset(1, 'us');
  metrics.channel.reset(4_000_000_000, 'peer');
  metrics.channel.reset(4_000_000_001, 'peer');
  expect(await lines(metrics, 'resproxy_bytes_total')).toEqual([
    'resproxy_bytes_total{direction="in"} 150',
    'resproxy_bytes_total{direction="out"} 7',
  ]);
  expect(await lines(metrics, 'resproxy_channel_blocked')).toEqual([
    'resproxy_channel_blocked_seconds_total{level="stream"} 2',
  ]);
  expect(await lines(metrics, 'resproxy_resets_total')).toEqual([
    'resproxy_resets_total{code="CANCELLED",by="us"} 1',
    'resproxy_resets_total{code="other",by="peer"} 2',
  ]);
});

test('links between pods are counted apart from those to agents', async () => {
  const metrics = new Metrics({ agents: () => [], resetNames, streamBytes: () => 0 });
  metrics.peers.linkUp();
  metrics.peers.linkUp();
  metrics.peers.linkDown();
  metrics.peers.bytes('in', 3);
  metrics.peers.bytes('out', 4);
  metrics.peers.blocked('connection', 250);
  metrics.peers.rtt(2);
  expect(await lines(metrics, 'resproxy_peer_links')).toEqual(['resproxy_peer_links 1']);
  expect(await lines(metrics, 'resproxy_peer_bytes_total')).toEqual([
    'resproxy_peer_bytes_total{direction="in"} 3',
    'resproxy_peer_bytes_total{direction="out"} 4',
  ]);
  expect(await lines(metrics, 'resproxy_peer_blocked_seconds_total')).toEqual([
    'resproxy_peer_blocked_seconds_total{level="connection"} 0.25',
  ]);
  expect(await lines(metrics, 'resproxy_peer_rtt_seconds_sum')).toEqual(['resproxy_peer_rtt_seconds_sum 0.002']);
  expect(await lines(metrics, 'resproxy_bytes_total')).toEqual([
    'resproxy_bytes_total{direction="in"} 0',
    'resproxy_bytes_total{direction="out"} 0',
  ]);
});

test('lag, round trips and attempts arrive in seconds and by code', async () => {
  const metrics = new Metrics({ agents: () => [], resetNames, streamBytes: () => 0 });
  metrics.loop.sample(2_000);
  metrics.channel.rtt(30);
  metrics.attempts.finished('AGENT_LOST');
  expect(await lines(metrics, 'resproxy_event_loop_lag_seconds_sum')).toEqual([
    'resproxy_event_loop_lag_seconds_sum 2',
  ]);
  expect(await lines(metrics, 'resproxy_heartbeat_rtt_seconds_sum')).toEqual([
    'resproxy_heartbeat_rtt_seconds_sum 0.03',
  ]);
  expect(await lines(metrics, 'resproxy_attempts_total')).toEqual(['resproxy_attempts_total{code="AGENT_LOST"} 1']);
});

test('Redis is told of by commands, durations, reconnects and whether it is up', async () => {
  let up = true;
  const metrics = new Metrics({ agents: () => [], resetNames, streamBytes: () => 0, redisUp: () => up });
  metrics.redis.command('renew', 'OK', 2);
  metrics.redis.command('renew', 'UNSENT', 0);
  metrics.redis.reconnected();
  up = false;
  expect(await lines(metrics, 'resproxy_redis_commands_total')).toEqual([
    'resproxy_redis_commands_total{kind="renew",outcome="OK"} 1',
    'resproxy_redis_commands_total{kind="renew",outcome="UNSENT"} 1',
  ]);
  expect(await lines(metrics, 'resproxy_redis_command_duration_seconds_count')).toEqual([
    'resproxy_redis_command_duration_seconds_count{kind="renew"} 1',
  ]);
  expect(await lines(metrics, 'resproxy_redis_reconnects_total')).toEqual(['resproxy_redis_reconnects_total 1']);
  expect(await lines(metrics, 'resproxy_redis_up')).toEqual(['resproxy_redis_up 0']);
});

test('a pod without Redis does not say that Redis is down', async () => {
  const metrics = new Metrics({ agents: () => [], resetNames, streamBytes: () => 0 });
  expect(await lines(metrics, 'resproxy_redis_up')).toEqual([]);
});
