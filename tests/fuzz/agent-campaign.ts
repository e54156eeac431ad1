// A pod that sends mutated OPENs, and the frames that follow one, to real agents. Most mutants keep the frame whole
// and lie in its fields, since an agent that has closed a connection takes its time before it dials again.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { clone, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Frame, FrameSchema, type HttpOpen, type Open } from '../../gen/resproxy/v1/channel_pb.ts';
import { encodeFrame, type FrameBodyInit } from '../../internal/wire/codec.ts';
import { limits } from '../../internal/wire/limits.ts';
import { closeCode } from '../../internal/wire/names.ts';
import { newKey } from '../harness/credentials.ts';
import { Program } from '../harness/process.ts';
import type { SeededRandom } from '../harness/seeded-random.ts';
import { until, within } from '../harness/waiting.ts';
import type { Campaign, Case, NewCampaign } from './campaign.ts';
import { readCorpus } from './corpus.ts';
import { agentEnv, count, isDefect, rssBytes } from './lab.ts';
import { mutate, retype } from './mutate.ts';

const agents = 2;
const mutantsPerCase = 10;
/** The agent's own backoff is at most 30 s. */
const redialMs = 45_000;
const answerMs = 15_000;
const maxGrowthBytes = 256 * 1024 * 1024;
const numbers = [0, 1, 2, 1000, 0x7fff_ffff, 0xffff_ffff];
const known = new Set<number>([...Object.values(closeCode), 1000, 1009, 1011]);

export const agentCampaign: NewCampaign = async (lab) => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const lines = Array.from({ length: agents }, () => new Line());
  server.on('connection', (socket, { url }) => lines[Number(url?.slice(-1))]?.connected(socket));
  const programs = lines.map((_, i) => {
    const env = { ORCH_WS: `ws://127.0.0.1:${port}/agent?${i}`, AGENT_KEY: newKey().key, ...agentEnv(lab.origin) };
    return new Program({ name: `fuzzed agent ${i}`, args: ['cmd/agent/main.ts'], env });
  });
  await Promise.all(lines.map((line) => line.ready()));
  const before = programs.map(rssBytes);
  const corpus = [...readCorpus('pod-frames', lab.markers).values()];
  const campaign: Campaign = {
    name: 'agent',
    lanes: agents,
    run: (each) => runCase(lines[each.lane], corpus, each),
    async checkup() {
      for (const [i, program] of programs.entries()) {
        if (!program.alive) throw new Error(`${program.name} died\n${program.tail()}`);
        const grown = rssBytes(program) - (before[i] ?? 0);
        if (grown > maxGrowthBytes) throw new Error(`${program.name} grew by ${grown} bytes`);
        const fault = program.logs.find(isDefect);
        if (fault) throw new Error(`${program.name} met a defect: ${JSON.stringify(fault)}`);
        await lines[i]?.honestJob(lab.origin.url('/bytes/7'));
      }
    },
    async close() {
      await Promise.all(programs.map((program) => program.kill()));
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
  return campaign;
};

async function runCase(line: Line | undefined, corpus: readonly Buffer[], { random, tally }: Case): Promise<number> {
  if (!line) throw new Error('a line for each lane');
  await line.ready();
  for (let i = 0; i < mutantsPerCase; i++) {
    const breaks = random.chance(0.0005);
    const mutant = breaks ? mutate(random.pick(corpus), random, corpus) : wholeMutant(corpus, random, line);
    line.sayMutant(mutant);
  }
  const { taken, code } = await line.settled();
  count(tally, code === undefined ? 'survived' : `closed ${code}`);
  if (code !== undefined && (!known.has(code) || code === 1011)) throw new Error(`an agent closed with ${code}`);
  return taken;
}

/** Bytes that are still a frame, on a stream that is allowed to be. */
function wholeMutant(corpus: readonly Buffer[], random: SeededRandom, line: Line): Uint8Array {
  const kept = ['open', 'open', 'open', 'data', 'credit', 'reset', 'ping', 'pong'] as const;
  const picked = random.pick(kept);
  // A body follows only an OPEN that left it open; anything else ends the connection, and the waiting begins.
  const wanted = picked === 'data' && line.bodyOf === undefined ? 'open' : picked;
  const frames = corpus.map((bytes) => fromBinary(FrameSchema, bytes)).filter(({ body }) => body.case === wanted);
  const frame = clone(FrameSchema, random.pick(frames));
  if (frame.streamId !== 0) frame.streamId = wanted === 'open' ? line.nextStreamId() : line.someStreamId(random);
  if (frame.body.case === 'open') {
    // An agent runs no job twice.
    frame.body.value.jobId = `job-${line.nextJob()}`;
    bend(frame.body.value, random);
    line.bodyOf = frame.body.value.end ? undefined : frame.streamId;
  }
  if (frame.body.case === 'data') {
    frame.streamId = line.bodyOf ?? 1;
    if (frame.body.value.end) line.bodyOf = undefined;
  }
  if (frame.body.case === 'reset') line.bodyOf = undefined;
  if (frame.body.case === 'credit') frame.body.value.bytes = 1 + random.below(65_535);
  return toBinary(FrameSchema, frame);
}

/** One to three lies in the fields of an OPEN. */
function bend(open: Open, random: SeededRandom): void {
  const http = open.kind.value as HttpOpen;
  const lies: (() => void)[] = [
    () => (http.url = retype(http.url, random)),
    () => (http.url = retype(http.url, random)),
    () => (http.url += 'x'.repeat(2 ** random.below(15))),
    () => (http.method = retype(http.method, random)),
    () => (http.maxRedirects = random.pick(numbers)),
    () => (http.maxResponseBytes = BigInt(random.pick(numbers))),
    () => (http.decompress = !http.decompress),
    ...http.headers.map((header) => () => (header.name = retype(header.name, random))),
    ...http.headers.map((header) => () => (header.value = retype(header.value, random))),
    () => http.headers.push(...Array.from({ length: 2 ** random.below(9) }, () => random.pick(http.headers))),
    () => (open.exit = retype(open.exit, random)),
    () => (open.jobId = retype(open.jobId, random)),
    () => (open.traceparent = retype('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', random)),
    () => (open.deadlineMs = random.pick(numbers)),
    () => (open.window = random.pick(numbers)),
    () => (open.attempt = random.pick(numbers)),
    () => (open.bodyBytes = random.pick(numbers)),
    () => (open.isolationKey = random.bytes(random.below(40))),
    () => (open.body = random.bytes(random.below(300))),
    () => (open.end = !open.end),
    () => (open.kind = { case: undefined }),
  ];
  for (let left = 1 + random.below(3); left > 0; left--) random.pick(lies)();
}

/** One agent's line, whichever connection it has at the moment. */
class Line {
  #socket: WebSocket | undefined;
  #ready = Promise.withResolvers<void>();
  #done = Promise.withResolvers<void>();
  /** The stream whose request is not complete. */
  bodyOf: number | undefined;
  #streamId = 0;
  #jobNumber = 0;
  #said = 0;
  /** Told apart from the nonces of the corpus. */
  #nonce = 0x7a00_0000;
  #answered = 0;
  #code: number | undefined;
  readonly #jobs = new Map<number, (status: number) => void>();

  connected(socket: WebSocket): void {
    this.#streamId = 0;
    this.bodyOf = undefined;
    socket.on('error', () => {});
    socket.on('message', (bytes: Buffer) => this.#onFrame(socket, fromBinary(FrameSchema, bytes)));
    socket.on('close', (code) => this.#onClose(socket, code));
  }

  /** A connection that was greeted; the agent dials when it likes. */
  async ready(): Promise<void> {
    await within('an agent dials again', redialMs, this.#ready.promise);
    this.#said = 0;
    this.#answered = 0;
    this.#code = undefined;
    this.#done = Promise.withResolvers<void>();
  }

  nextStreamId(): number {
    this.#streamId++;
    return this.#streamId;
  }

  nextJob(): number {
    this.#jobNumber++;
    return this.#jobNumber;
  }

  someStreamId(random: SeededRandom): number {
    return this.#streamId === 0 ? this.nextStreamId() : Math.max(1, this.#streamId - random.below(4));
  }

  sayMutant(bytes: Uint8Array): void {
    this.#said++;
    this.#socket?.send(bytes);
    this.#say(0, { case: 'ping', value: { nonce: ++this.#nonce } });
  }

  /** After it, the streams of the case are over. */
  async settled(): Promise<{ readonly taken: number; readonly code: number | undefined }> {
    await within('an agent answers or closes', answerMs, this.#done.promise);
    const code = this.#code;
    for (let id = Math.max(1, this.#streamId - mutantsPerCase); code === undefined && id <= this.#streamId; id++)
      this.#say(id, { case: 'reset', value: { code: 1 } });
    this.bodyOf = undefined;
    return { taken: code === undefined ? this.#answered : Math.min(this.#said, this.#answered + 1), code };
  }

  async honestJob(url: string): Promise<void> {
    await this.ready();
    const ask = async () => {
      const id = this.nextStreamId();
      const answer = new Promise<number>((resolve) => this.#jobs.set(id, resolve));
      const http = { method: 'GET', url };
      const open = {
        exit: 'direct',
        deadlineMs: 5000,
        jobId: `honest-${this.nextJob()}`,
        attempt: 1,
        window: 262_144,
        end: true,
      };
      this.#say(id, { case: 'open', value: { ...open, kind: { case: 'http', value: http } } });
      return (await within('an honest OPEN is answered', answerMs, answer)) === 200;
    };
    // Jobs that were reset a moment ago may still hold its places.
    await until('an agent runs an honest job', ask);
  }

  #say(streamId: number, body: FrameBodyInit): void {
    if (this.#socket?.readyState === 1) this.#socket.send(encodeFrame(streamId, body));
  }

  #onFrame(socket: WebSocket, { streamId, body }: Frame): void {
    switch (body.case) {
      case 'hello':
        this.#socket = socket;
        this.#say(0, { case: 'welcome', value: welcome });
        this.#ready.resolve();
        return;
      case 'ping':
        return this.#say(0, { case: 'pong', value: { nonce: body.value.nonce } });
      case 'pong':
        if (body.value.nonce <= 0x7a00_0000) return;
        this.#answered++;
        if (body.value.nonce === this.#nonce && this.#said === mutantsPerCase) this.#done.resolve();
        return;
      case 'data':
        return this.#say(0, { case: 'credit', value: { bytes: body.value.bytes.length } });
      case 'openOk':
        return this.#settle(streamId, body.value.statusCode);
      case 'openErr':
      case 'reset':
        return this.#settle(streamId, 0);
      default:
    }
  }

  #settle(streamId: number, status: number): void {
    this.#jobs.get(streamId)?.(status);
    this.#jobs.delete(streamId);
  }

  #onClose(socket: WebSocket, code: number): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    this.#code = code;
    this.#ready = Promise.withResolvers<void>();
    this.#jobs.clear();
    this.#done.resolve();
  }
}

const welcome = {
  connectionId: 'connection-1',
  epoch: 1n,
  podId: 'pod-1',
  protocol: 1,
  idlePingMs: limits.idlePingMs,
  busyPingMs: limits.busyPingMs,
  idleDeadMs: limits.idleDeadMs,
  busyDeadMs: limits.busyDeadMs,
  maxStreams: 1024,
  maxFrameBytes: limits.maxFrameBytes,
  connectionWindow: limits.initialConnectionWindowBytes,
  observedAddress: '198.51.100.7',
};
