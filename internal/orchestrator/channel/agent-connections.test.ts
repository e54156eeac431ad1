import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { ExitState } from '../../../gen/resproxy/v1/agent_pb.ts';
import { ExitListSchema, type Hello, ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { Execution, FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { TimerWheel } from '../../kit/timer-wheel.ts';
import { BufferBudget } from '../../wire/budget.ts';
import { limits } from '../../wire/limits.ts';
import { transportPair } from '../../wire/transport-pair.ts';
import { type KeyPolicy, policySchema } from '../keys/policy.ts';
import type { FleetConnection, Registry } from '../registry/registry.ts';
import { anyTarget } from '../route/candidate.ts';
import { AgentConnections } from './agent-connections.ts';
import { channelLimits } from './channel-limits.ts';
import { directOffer, FakeAgent, helloOf } from './fake-agent.ts';
import type { Exchange, ExchangeRequest } from './link.ts';

/** Remembers what it was told, in order. */
class ListedRegistry implements Registry {
  /** As if another pod had a connection of this rank. */
  epochElsewhere = 0;
  /** As if other pods had so many of every key. */
  agentsElsewhere = 0;
  readonly connections = new Map<string, FleetConnection>();
  readonly told: string[] = [];

  put(connection: FleetConnection): void {
    this.connections.set(connection.connectionId, connection);
    const exits = connection.exits.map(({ name, state, capacity }) => `${name}:${state}:${capacity}`).join();
    this.told.push(`put ${connection.agentId} ${exits}${connection.draining ? ' draining' : ''}`);
  }

  remove(connectionId: string): void {
    this.told.push(`remove ${this.connections.get(connectionId)?.agentId}`);
    this.connections.delete(connectionId);
  }

  newestEpoch(): number {
    return this.epochElsewhere;
  }

  knows(agentId: string): boolean {
    return this.#agents.has(agentId);
  }

  agentsOf(keyName: string): number {
    return this.agentsElsewhere + [...this.#agents].filter((agentId) => agentId.startsWith(`${keyName}/`)).length;
  }

  get #agents(): ReadonlySet<string> {
    return new Set([...this.connections.values()].map(({ agentId }) => agentId));
  }
}

const silent = { bytes: () => {}, rtt: () => {}, reset: () => {}, blocked: () => {} };
const exitId = 'berlin/default/direct';
const goodAnswer = { statusCode: 200, headers: [], finalUrl: 'http://origin/', body: Buffer.from('hi'), end: true };

let clock: ManualClock;
let registry: ListedRegistry;
let connections: AgentConnections;
let warnings: string[];
let ids: number;

beforeEach(() => {
  clock = new ManualClock();
  registry = new ListedRegistry();
  warnings = [];
  ids = 0;
  connections = new AgentConnections({
    podId: 'pod-1',
    clock,
    random: () => 0.5,
    randomBytes: (size) => new Uint8Array(size).fill(++ids),
    wheel: new TimerWheel(clock),
    budget: new BufferBudget(limits.bufferBudgetBytes),
    observer: silent,
    registry,
    log: pino({ level: 'warn' }, { write: (line: string) => warnings.push(JSON.parse(line).msg) }),
    agentGraceMs: 10_000,
    maxConnections: 100,
  });
});

afterEach(async () => {
  for (const agentId of new Set([...registry.connections.values()].map((connection) => connection.agentId)))
    connections.disconnectAgent(agentId);
  await settle();
  expect(clock.pending).toBe(0);
});

function policyOf(extra: object = {}): KeyPolicy {
  return policySchema.parse({ id: 'k1', name: 'berlin', digest: `sha256:${'a'.repeat(64)}`, ...extra });
}

async function connect(policy = policyOf()): Promise<FakeAgent> {
  const [agentSide, podSide] = transportPair();
  const agent = new FakeAgent(agentSide);
  connections.accept({ transport: podSide, policy, observedAddress: '192.0.2.1' });
  return agent;
}

async function greet(overrides: Partial<Hello> = {}, policy?: KeyPolicy): Promise<FakeAgent> {
  const agent = await connect(policy);
  await agent.say(0, { case: 'hello', value: helloOf(overrides) });
  return agent;
}

function requestOf(overrides: Partial<ExchangeRequest> = {}): ExchangeRequest {
  const body = new Uint8Array();
  const headers = [
    { name: 'A', value: '1' },
    { name: 'a', value: '2' },
  ];
  const request = { method: 'POST', url: 'http://origin/%7E?', headers, body, maxRedirects: 3, decompress: true };
  return {
    exitId,
    jobId: 'job-1',
    attempt: 2,
    tenant: 'acme',
    target: anyTarget,
    tried: [],
    request: { ...request, maxResponseBytes: 0 },
    idempotent: false,
    deadlineMs: 999.5,
    traceparent: '00-1',
    ...overrides,
  };
}

async function open(overrides?: Partial<ExchangeRequest>): Promise<Exchange> {
  const exchange = connections.linkTo(exitId)?.open(requestOf(overrides));
  if (!exchange) throw new Error('no link');
  await settle();
  return exchange;
}

describe('greeting', () => {
  test('HELLO is answered with WELCOME, and the fleet hears of the agent', async () => {
    const agent = await greet();
    expect(agent.heard('welcome').map(({ value }) => value)).toMatchObject([
      {
        connectionId: Buffer.alloc(12, 1).toString('base64url'),
        podId: 'pod-1',
        protocol: 1,
        idlePingMs: limits.idlePingMs,
        busyDeadMs: limits.busyDeadMs,
        maxFrameBytes: limits.maxFrameBytes,
        connectionWindow: limits.initialConnectionWindowBytes,
        observedAddress: '192.0.2.1',
        serverTimeMs: BigInt(clock.wallMs()),
        epoch: BigInt(clock.wallMs() * 1000),
      },
    ]);
    const [connection] = registry.connections.values();
    expect(connection).toMatchObject({
      agentId: 'berlin/default',
      podId: 'pod-1',
      epoch: clock.wallMs() * 1000,
      version: '0.1.0',
      draining: false,
      connectedAt: clock.wallMs(),
      lastHeartbeat: clock.wallMs(),
      metadata: { platform: 'linux-x64', instanceId: 'instance-1', protocol: '1' },
    });
    expect(connection?.exits.map((exit) => exit.exitId)).toEqual([exitId]);
  });

  test('epochs rise although the clock stands still', async () => {
    await greet({ agentName: 'a' });
    await greet({ agentName: 'b' });
    const epochs = [...registry.connections.values()].map(({ epoch }) => epoch);
    expect(epochs).toEqual([clock.wallMs() * 1000, clock.wallMs() * 1000 + 1]);
  });

  test('silence for five seconds ends the connection', async () => {
    const agent = await connect();
    await clock.advance(limits.helloTimeoutMs + 200);
    expect(agent.end).toMatchObject({ code: 4000, reason: 'no HELLO in time' });
    expect(connections.size).toBe(0);
  });

  test.each<[string, number, (agent: FakeAgent) => Promise<void>]>([
    ['a bad HELLO', 4000, (agent) => agent.say(0, { case: 'hello', value: helloOf({ agentName: 'A' }) })],
    [
      'an old protocol',
      4426,
      (agent) => agent.say(0, { case: 'hello', value: helloOf({ protocolMin: 2, protocolMax: 2 }) }),
    ],
    ['HELLO without exits', 4000, (agent) => agent.say(0, { case: 'hello', value: helloOf({ exits: undefined }) })],
    [
      'a bad exit',
      4000,
      (agent) =>
        agent.say(0, {
          case: 'hello',
          value: helloOf({ exits: create(ExitListSchema, { exits: [{ ...directOffer, capacity: 0 }] }) }),
        }),
    ],
    ['EXITS first', 4000, (agent) => agent.say(0, { case: 'exits', value: { exits: { exits: [] } } })],
    ['DRAIN first', 4000, (agent) => agent.say(0, { case: 'drain', value: {} })],
    ['a stream frame first', 4000, (agent) => agent.say(1, { case: 'data', value: { end: true } })],
  ])('%s closes the connection', async (_what, code, lie) => {
    const agent = await connect();
    await lie(agent);
    expect(agent.end?.code).toBe(code);
    expect(connections.size).toBe(0);
    expect(registry.told).toEqual([]);
  });

  test.each<[string, (agent: FakeAgent) => Promise<void>]>([
    ['HELLO twice', (agent) => agent.say(0, { case: 'hello', value: helloOf({ connectSeq: 2n }) })],
    ['WELCOME', (agent) => agent.say(0, { case: 'welcome', value: {} })],
    ['PEER_HELLO', (agent) => agent.say(0, { case: 'peerHello', value: {} })],
    ['AGENT_ORDER', (agent) => agent.say(0, { case: 'agentOrder', value: {} })],
    ['AGENT_ORDER_DONE', (agent) => agent.say(0, { case: 'agentOrderDone', value: {} })],
    ['DRAIN_ACK without DRAIN', (agent) => agent.say(0, { case: 'drainAck', value: {} })],
    ['EXITS without exits', (agent) => agent.say(0, { case: 'exits', value: {} })],
    ['OPEN', (agent) => agent.say(7, { case: 'open', value: {} })],
    ['a frame of a stream that never was', (agent) => agent.say(7, { case: 'data', value: { end: true } })],
  ])('%s from a welcomed agent closes the connection', async (_what, lie) => {
    const agent = await greet();
    await lie(agent);
    expect(agent.end?.code).toBe(4000);
    expect(connections.linkTo(exitId)).toBeUndefined();
  });

  test('a pod that is full has no room', async () => {
    for (let i = 0; i < 100; i++) await greet({ agentName: `a${i}` });
    expect(connections.hasRoom).toBe(false);
    connections.disconnectAgent('berlin/a7');
    expect(connections.hasRoom).toBe(true);
  });

  test('a key has no more agents, by name, than its policy says', async () => {
    const policy = policyOf({ maxAgents: 1 });
    const first = await greet({ agentName: 'a' }, policy);
    const second = await greet({ agentName: 'b' }, policy);
    expect(second.end).toMatchObject({ code: 4429, reason: 'the key has all the agents that it may have' });
    const restarted = await greet({ agentName: 'a', instanceId: 'instance-2' }, policy);
    expect([first.end?.code, restarted.end]).toEqual([4409, undefined]);
    connections.disconnectAgent('berlin/a');
    expect((await greet({ agentName: 'b' }, policy)).end).toBeUndefined();
  });

  test('agents of other pods count, and one that is known may come back even to a key that has too many', async () => {
    const policy = policyOf({ maxAgents: 2 });
    await greet({ agentName: 'a' }, policy);
    registry.agentsElsewhere = 3;
    expect((await greet({ agentName: 'b' }, policy)).end?.code).toBe(4429);
    expect((await greet({ agentName: 'a', instanceId: 'instance-2' }, policy)).end).toBeUndefined();
  });
});

describe('jobs', () => {
  test('OPEN carries the whole request, byte for byte', async () => {
    const agent = await greet();
    const exchange = await open();
    expect(agent.heard('open')).toMatchObject([
      {
        streamId: 1,
        value: {
          exit: 'direct',
          kind: {
            case: 'http',
            value: {
              method: 'POST',
              url: 'http://origin/%7E?',
              headers: [
                { name: 'A', value: '1' },
                { name: 'a', value: '2' },
              ],
              maxRedirects: 3,
              decompress: true,
              maxResponseBytes: 0n,
            },
          },
          deadlineMs: 1000,
          jobId: 'job-1',
          attempt: 2,
          idempotent: false,
          traceparent: '00-1',
          end: true,
        },
      },
    ]);
    exchange.cancel('cancelled');
  });

  test('tenants get isolation keys of their own, and keep them', async () => {
    const agent = await greet();
    for (const tenant of ['acme', 'other', 'acme']) (await open({ tenant })).cancel('cancelled');
    const [first, other, again] = agent
      .heard('open')
      .map(({ value }) => Buffer.from(value.isolationKey).toString('hex'));
    expect(first).toBe(again);
    expect(first).not.toBe(other);
    expect(first).toHaveLength(64);
  });

  test('an answer comes back in one frame, and the place on the exit is free again', async () => {
    const agent = await greet();
    const exchange = await open();
    const [connection] = registry.connections.values();
    expect(connection?.exits[0]?.inFlight).toBe(1);
    await agent.say(agent.openedStream, { case: 'openOk', value: goodAnswer });
    expect((await exchange.head).statusCode).toBe(200);
    expect(connection?.exits[0]?.inFlight).toBe(0);
  });

  test('a refusal of the agent is the failure of the attempt', async () => {
    const agent = await greet();
    const exchange = await open();
    const value = { code: FailureCode.DNS_NXDOMAIN, execution: Execution.NOT_STARTED };
    await agent.say(agent.openedStream, { case: 'openErr', value });
    await expect(exchange.head).rejects.toMatchObject({ code: 'DNS_NXDOMAIN', execution: 'NOT_STARTED' });
  });

  test('cancelling reaches the agent before its answer', async () => {
    const agent = await greet();
    const exchange = await open();
    exchange.cancel('deadline');
    await settle();
    expect(agent.heard('reset')).toMatchObject([{ streamId: 1, value: { code: ResetCode.DEADLINE } }]);
  });

  test('a second answer closes the connection and fails what runs on it', async () => {
    const agent = await greet();
    const exchange = await open();
    const value = { ...goodAnswer, end: false };
    await agent.say(agent.openedStream, { case: 'openOk', value });
    await exchange.head;
    await agent.say(agent.openedStream, { case: 'openOk', value });
    await expect(exchange.read()).rejects.toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
    expect(agent.end?.code).toBe(4000);
  });

  test('an unknown agent, and an unknown exit of a known one, have no link', async () => {
    await greet();
    expect(connections.linkTo('berlin/other/direct')).toBeUndefined();
    expect(connections.linkTo('berlin/default/other')).toBeUndefined();
    expect(connections.linkTo('direct')).toBeUndefined();
  });
});

describe('exits', () => {
  const offer = (generation: bigint, overrides: { name?: string; state?: ExitState } = {}) => ({
    case: 'exits' as const,
    value: { exits: { generation, exits: [{ ...directOffer, ...overrides }] } },
  });

  test('a newer list replaces the one before, an older one does not', async () => {
    const agent = await greet();
    await agent.say(0, offer(3n, { state: ExitState.PAUSED }));
    await agent.say(0, offer(2n, { state: ExitState.AVAILABLE }));
    expect(registry.told).toEqual(['put berlin/default direct:available:4', 'put berlin/default direct:paused:4']);
    await expect(open()).rejects.toMatchObject({ code: 'EXIT_REFUSED', refusal: 'PAUSED' });
  });

  test('an exit that is gone takes nothing, and its jobs still count when it is back', async () => {
    const agent = await greet();
    const exchange = await open();
    await agent.say(0, offer(2n, { name: 'other' }));
    await expect(open()).rejects.toMatchObject({ code: 'AGENT_DISCONNECTED' });
    await agent.say(0, offer(3n));
    const [connection] = registry.connections.values();
    expect(connection?.exits[0]).toMatchObject({ name: 'direct', inFlight: 1 });
    exchange.cancel('cancelled');
    expect(connection?.exits[0]?.inFlight).toBe(0);
  });

  test("a change of the key's policy holds at once", async () => {
    const agent = await greet();
    connections.onChanged(policyOf({ tenants: ['acme'], limits: { maxConcurrent: 1 }, labels: { country: 'DE' } }));
    const [connection] = registry.connections.values();
    expect(connection?.tenants).toEqual(new Set(['acme']));
    expect(connection?.exits[0]).toMatchObject({ capacity: 1, country: 'DE', tenants: new Set(['acme']) });
    expect(agent.end).toBeUndefined();
  });

  test('a key with another name makes its agents come back under it', async () => {
    const agent = await greet();
    connections.onChanged(policyOf({ name: 'munich' }));
    await settle();
    expect(agent.end?.code).toBe(1012);
  });
});

describe('who is newest', () => {
  test('another instance takes over at once, and no answer of the old one is delivered', async () => {
    const old = await greet();
    const exchange = await open();
    const failed = expect(exchange.head).rejects.toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
    await greet({ instanceId: 'instance-2' });
    await old.say(old.openedStream, { case: 'openOk', value: goodAnswer });
    await failed;
    expect(old.end).toMatchObject({ code: 4409 });
    expect(registry.told).toEqual([
      'put berlin/default direct:available:4',
      'put berlin/default direct:available:4',
      'remove berlin/default',
    ]);
    expect(connections.size).toBe(1);
  });

  test('a later connection of the same instance replaces one that does not leave', async () => {
    const old = await greet({ connectSeq: 1n });
    const later = await greet({ connectSeq: 2n });
    expect([old.end?.code, later.end]).toEqual([4409, undefined]);
  });

  test('an earlier connection of the same instance that arrives late is turned away', async () => {
    const newest = await greet({ connectSeq: 2n });
    const late = await greet({ connectSeq: 1n });
    expect([late.end?.code, newest.end]).toEqual([4409, undefined]);
    expect(late.heard('welcome')).toEqual([]);
  });

  test('one that leaves may finish beside the newer one of the same instance', async () => {
    const old = await greet({ connectSeq: 1n });
    const exchange = await open();
    expect(connections.drainAgent('berlin/default')).toBe(1);
    const newer = await greet({ connectSeq: 2n });
    await old.say(0, { case: 'drainAck', value: {} });
    const onNewer = await open();
    expect(newer.heard('open')).toHaveLength(1);
    await old.say(old.openedStream, { case: 'openOk', value: goodAnswer });
    expect((await exchange.head).statusCode).toBe(200);
    await settle();
    expect(old.end).toMatchObject({ code: 4001 });
    expect(old.heard('goAway')).toHaveLength(1);
    onNewer.cancel('cancelled');
  });

  test('two programs that replace each other are reported', async () => {
    for (let i = 0; i <= channelLimits.flapCount; i++)
      await greet({ instanceId: `instance-${i % 2}`, connectSeq: BigInt(i) });
    expect(warnings).toEqual(['two programs run under the name of this agent and replace each other']);
  });

  test('one program that reconnects is not', async () => {
    for (let i = 0; i <= 2 * channelLimits.flapCount; i++) await greet({ connectSeq: BigInt(i) });
    expect(warnings).toEqual([]);
  });
});

describe('the fleet', () => {
  const rival = { podId: 'pod-2', instanceId: 'instance-2', connectSeq: 1n };

  async function connected() {
    const agent = await greet();
    const [connection] = registry.connections.values();
    if (!connection) throw new Error('no connection');
    return { agent, connection };
  }

  test('is told an epoch above all that is known of the agent', async () => {
    registry.epochElsewhere = 4e15;
    const { connection } = await connected();
    expect(connection.epoch).toBe(4e15 + 1);
  });

  test('ranks connections: the one that it calls newest gets the jobs', async () => {
    const { agent: first, connection } = await connected();
    connections.drainAgent('berlin/default');
    const second = await greet({ connectSeq: 2n });
    connections.ranked(connection, 5);
    expect(connection.epoch).toBe(5);
    const exchange = await open();
    expect(second.heard('open')).toHaveLength(1);
    expect(first.heard('open')).toHaveLength(0);
    exchange.cancel('cancelled');
  });

  test('says that another program took the name elsewhere: the connection is replaced, and that is counted', async () => {
    const { agent, connection } = await connected();
    connections.newerElsewhere(connection, rival);
    await settle();
    expect(agent.end).toMatchObject({ code: 4409 });
    expect(connections.flaps).toBe(1);
    connections.newerElsewhere(connection, rival);
    expect(connections.flaps).toBe(1);
  });

  test('says so again and again: that is reported', async () => {
    for (let i = 0; i < channelLimits.flapCount; i++) {
      const { connection } = await connected();
      connections.newerElsewhere(connection, rival);
    }
    expect(warnings).toEqual(['two programs run under the name of this agent and replace each other']);
  });

  test('says that the same program went elsewhere: one that drains may finish, any other ends', async () => {
    const moved = { ...rival, instanceId: 'instance-1', connectSeq: 2n };
    const { agent: drained, connection } = await connected();
    connections.drainAgent('berlin/default');
    connections.newerElsewhere(connection, moved);
    expect(drained.end).toBeUndefined();
    const other = await greet({ agentName: 'other' });
    const [, second] = registry.connections.values();
    if (second) connections.newerElsewhere(second, moved);
    await settle();
    expect(other.end).toMatchObject({ code: 4409 });
    expect(connections.flaps).toBe(0);
  });
});

describe('revocation', () => {
  test('closes every connection of the key at once, welcomed or not, and no other', async () => {
    const welcomed = await greet();
    const greeting = await connect();
    const other = await greet({ agentName: 'other' }, policyOf({ id: 'k2' }));
    connections.onRevoked('k1', 'suspended');
    await settle();
    expect(welcomed.end).toMatchObject({ code: 4401, reason: 'the key was suspended' });
    expect(greeting.end).toMatchObject({ code: 4401 });
    expect(other.end).toBeUndefined();
  });

  test('hands out no answer afterwards, not even one that was here already', async () => {
    const agent = await greet();
    const waiting = await open();
    const answered = await open();
    const value = { ...goodAnswer, body: new Uint8Array(), end: false };
    await agent.say(2, { case: 'openOk', value });
    await answered.head;
    await agent.say(2, { case: 'data', value: { bytes: Buffer.from('secret'), end: true } });
    connections.onRevoked('k1', 'removed');
    await expect(answered.read()).rejects.toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
    await expect(waiting.head).rejects.toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
    expect(connections.linkTo(exitId)).toBeUndefined();
  });
});

describe('an agent that leaves', () => {
  test('gets no new jobs, an acknowledgement, and its answers taken', async () => {
    const agent = await greet();
    const exchange = await open();
    await agent.say(0, { case: 'drain', value: { graceMs: 5000 } });
    expect(agent.heard('drainAck')).toHaveLength(1);
    expect(registry.told.at(-1)).toBe('put berlin/default direct:available:4 draining');
    await expect(open()).rejects.toMatchObject({ code: 'AGENT_DISCONNECTED', execution: 'NOT_STARTED' });
    await agent.say(agent.openedStream, { case: 'openOk', value: goodAnswer });
    expect((await exchange.head).statusCode).toBe(200);
    expect(agent.end).toBeUndefined();
    await agent.say(0, { case: 'goAway', value: {} });
    expect(agent.end).toMatchObject({ code: 4001 });
  });

  test('and never goes is closed after its own grace', async () => {
    const agent = await greet();
    await agent.say(0, { case: 'drain', value: { graceMs: 5000 } });
    await agent.say(0, { case: 'ping', value: { nonce: 1 } });
    await clock.advance(5000 + limits.closeTimeoutMs + 200);
    expect(agent.end).toMatchObject({ code: 4001 });
  });

  test('without a word leaves nothing behind', async () => {
    const [agentSide, podSide] = transportPair();
    const agent = new FakeAgent(agentSide);
    connections.accept({ transport: podSide, policy: policyOf(), observedAddress: '' });
    await agent.say(0, { case: 'hello', value: helloOf() });
    const exchange = await open();
    agentSide.cut();
    await expect(exchange.head).rejects.toMatchObject({ code: 'AGENT_LOST', execution: 'POSSIBLE' });
    expect(registry.told.at(-1)).toBe('remove berlin/default');
    expect(connections.size).toBe(0);
  });
});

describe('draining one agent', () => {
  test('ends it after its grace when it finds no other connection', async () => {
    const agent = await greet();
    expect(connections.drainAgent('berlin/default')).toBe(1);
    expect(connections.drainAgent('berlin/default')).toBe(0);
    await expect(open()).rejects.toMatchObject({ code: 'AGENT_DISCONNECTED' });
    await settle();
    expect(agent.heard('drain').map(({ value }) => value)).toMatchObject([{ graceMs: 10_000, spreadMs: 0 }]);
    await clock.advance(9_000);
    expect(agent.end).toBeUndefined();
    await clock.advance(1_200);
    expect(agent.end).toMatchObject({ code: 4001 });
    expect(agent.heard('goAway')).toHaveLength(1);
  });

  test('reaches nobody when there is no such agent', () => {
    expect(connections.drainAgent('berlin/other')).toBe(0);
    expect(connections.disconnectAgent('berlin/other')).toBe(0);
  });
});

describe('draining the pod', () => {
  const order = { graceMs: 10_000, spreadMs: 1_000 };

  test('keeps giving jobs to an agent until it has another pod, then lets it finish', async () => {
    const agent = await greet();
    const drained = connections.drainAll(order);
    await settle();
    expect(agent.heard('drain').map(({ value }) => value)).toMatchObject([{ graceMs: 10_000, spreadMs: 100 }]);
    const exchange = await open();
    await agent.say(0, { case: 'drainAck', value: {} });
    await expect(open()).rejects.toMatchObject({ code: 'AGENT_DISCONNECTED' });
    expect(agent.end).toBeUndefined();
    await agent.say(agent.openedStream, { case: 'openOk', value: goodAnswer });
    await exchange.head;
    await drained;
    await settle();
    expect(agent.end).toMatchObject({ code: 4001 });
    expect(agent.heard('goAway')).toHaveLength(1);
  });

  test('tells the agents step by step over the spread', async () => {
    const agents: FakeAgent[] = [];
    for (let i = 0; i < 20; i++) agents.push(await greet({ agentName: `a${i}` }));
    const drained = connections.drainAll(order);
    const told = () => agents.filter((agent) => agent.heard('drain').length > 0).length;
    await clock.advance(0);
    expect(told()).toBe(2);
    await clock.advance(400);
    expect(told()).toBe(10);
    await clock.advance(500);
    expect(told()).toBe(20);
    for (const agent of agents) await agent.say(0, { case: 'drainAck', value: {} });
    await drained;
  });

  test('is over with the grace, whatever runs', async () => {
    const agent = await greet();
    const exchange = await open();
    const failed = expect(exchange.head).rejects.toMatchObject({ code: 'AGENT_LOST' });
    const drained = connections.drainAll(order);
    for (let at = 0; at < order.graceMs; at += 5_000) {
      await clock.advance(5_000);
      await agent.say(0, { case: 'ping', value: { nonce: at } });
    }
    await drained;
    await failed;
    expect(agent.end).toMatchObject({ code: 4001 });
  });

  test('waits for no other pod once no job can come', async () => {
    const busy = await greet({ agentName: 'default' });
    const idle = await greet({ agentName: 'idle' });
    const exchange = await open();
    const drained = connections.drainAll({ graceMs: 10_000, spreadMs: 0 });
    connections.endJobs();
    await settle();
    expect([busy.end, idle.end?.code]).toEqual([undefined, 4001]);
    exchange.cancel('cancelled');
    await drained;
  });

  test('turns newcomers away, and those in the middle of their greeting', async () => {
    const late = await connect();
    const welcomed = await greet();
    const drained = connections.drainAll(order);
    expect(connections.hasRoom).toBe(false);
    await late.say(0, { case: 'hello', value: helloOf({ agentName: 'late' }) });
    expect(late.end).toMatchObject({ code: 1012 });
    await welcomed.say(0, { case: 'drainAck', value: {} });
    await drained;
  });

  test('is done at once when there is nobody', async () => {
    await connections.drainAll(order);
    await connections.drainAll(order);
  });
});
