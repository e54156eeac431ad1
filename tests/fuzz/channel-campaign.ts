// An agent with a valid key that sends mutated frames, alone or as the answer to a job. A ping behind each mutant
// tells whether the pod has taken it: pings that were answered, and one more where the pod closed.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { WebSocket } from 'ws';
import { type Frame, FrameSchema } from '../../gen/resproxy/v1/channel_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { encodeFrame } from '../../internal/wire/codec.ts';
import { closeCode, subprotocol } from '../../internal/wire/names.ts';
import { honestHello } from '../harness/lying-agent.ts';
import type { SeededRandom } from '../harness/seeded-random.ts';
import { within } from '../harness/waiting.ts';
import type { Campaign, Case, NewCampaign } from './campaign.ts';
import { readCorpus } from './corpus.ts';
import { count, type FuzzLab } from './lab.ts';
import { mutate } from './mutate.ts';

const mutantsPerConnection = 12;
/** Told apart from the nonces of the corpus and of the pod. */
const firstNonce = 0x7a00_0000;
const settledMs = 15_000;
/** 1001 and 1009 aside, every end that the pod chooses has a word in CHANNEL.md. */
const known = new Set<number>([...Object.values(closeCode), 1000, 1009, 1011]);

export const channelCampaign: NewCampaign = async (lab) => {
  const corpus = [...readCorpus('agent-frames', lab.markers).values()];
  const campaign: Campaign = {
    name: 'channel',
    lanes: lab.keys.length,
    run: (each) => runCase(lab, corpus, each),
    close: async () => {},
  };
  return campaign;
};

async function runCase(lab: FuzzLab, corpus: readonly Buffer[], { random, lane, tally }: Case): Promise<number> {
  const agent = await Liar.connect(lab, lane);
  const greets = random.chance(0.9);
  let job: Promise<string> | undefined;
  try {
    if (greets) {
      await agent.greet();
      if (random.chance(0.5)) {
        job = runJob(lab, lane, random.chance(0.5));
        await Promise.race([agent.given, job]);
      }
    }
    for (const mutant of mutants(corpus, random, agent.lastStreamId)) agent.say(mutant);
    const { taken, code } = await agent.settled();
    count(tally, code === undefined ? 'survived' : `closed ${code}`);
    if (code !== undefined && !known.has(code)) throw new Error(`closed with the unknown code ${code}`);
    // 1011 is the pod's word for a fault of its own.
    if (code === 1011) throw new Error('a frame made the pod fail');
    return taken;
  } finally {
    agent.close();
    if (job) count(tally, `job ${await within('the job of a liar ends', settledMs, job)}`);
  }
}

/** Mutants in the order of chance, most of them of a stream that is open. */
function mutants(corpus: readonly Buffer[], random: SeededRandom, openId: number): Buffer[] {
  return Array.from({ length: mutantsPerConnection }, () => {
    const honest = random.pick(corpus);
    const placed = random.chance(0.8) ? restreamed(honest, openId, random) : honest;
    return random.chance(0.15) ? placed : mutate(placed, random, corpus);
  });
}

/** The same frame of another stream: the one that is open, mostly. */
function restreamed(bytes: Buffer, openId: number, random: SeededRandom): Buffer {
  const frame = fromBinary(FrameSchema, bytes);
  if (frame.streamId === 0 && random.chance(0.9)) return bytes;
  const streamId = random.chance(0.9) ? openId : random.pick([0, 1, 2, openId + 1, 0x7fff_ffff, 0xffff_ffff]);
  return Buffer.from(toBinary(FrameSchema, create(FrameSchema, { streamId, body: frame.body })));
}

/** A job for this liar's exit; resolves with how it ended. */
async function runJob(lab: FuzzLab, lane: number, streamed: boolean): Promise<string> {
  const input = {
    request: { url: lab.origin.url('/echo'), method: 'POST', body: Buffer.from('x') },
    target: { exitId: `liar-${lane}/liar/direct` },
    timeout: { seconds: 5n },
  };
  const { liarsCaller: grpc } = lab;
  if (!streamed) {
    const { runJob: method } = JobService.method;
    return grpc.call(method, input).then(
      () => 'answered',
      (error: { code?: number }) => `failed ${error.code}`,
    );
  }
  try {
    for await (const { event } of grpc.stream(JobService.method.streamJob, input))
      if (!event.case) return 'empty event';
    return 'streamed';
  } catch (error) {
    return `failed ${(error as { code?: number }).code}`;
  }
}

class Liar {
  /** Resolves when the pod has opened a stream. */
  readonly given: Promise<void>;
  lastStreamId = 1;
  readonly #socket: WebSocket;
  readonly #greeted = Promise.withResolvers<void>();
  readonly #given = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  #code: number | undefined;
  #said = 0;
  #answered = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.given = this.#given.promise;
    socket.on('message', (bytes: Buffer) => this.#onFrame(fromBinary(FrameSchema, bytes)));
    socket.on('error', () => {});
    socket.on('close', (code) => {
      this.#code = code;
      for (const each of [this.#greeted, this.#given, this.#done]) each.resolve();
    });
  }

  static async connect(lab: FuzzLab, lane: number): Promise<Liar> {
    const socket = new WebSocket(`ws://127.0.0.1:${lab.cluster.ports.agent}/agent`, subprotocol, {
      headers: { authorization: `Bearer ${lab.keys[lane]}` },
      perMessageDeflate: false,
    });
    const liar = new Liar(socket);
    await within('the agent port takes a liar', 5_000, once(socket, 'open'));
    return liar;
  }

  async greet(): Promise<void> {
    this.#send(encodeFrame(0, { case: 'hello', value: { ...honestHello(), instanceId: randomUUID() } }));
    await within('the pod welcomes a liar', 5_000, this.#greeted.promise);
  }

  /** The mutant, and a ping behind it. */
  say(mutant: Uint8Array): void {
    this.#send(mutant);
    this.#send(encodeFrame(0, { case: 'ping', value: { nonce: firstNonce + this.#said } }));
    this.#said++;
  }

  /** How many mutants the pod has taken, and with which code it closed, if it did. */
  async settled(): Promise<{ readonly taken: number; readonly code: number | undefined }> {
    await within('the pod answers a liar or closes', settledMs, this.#done.promise);
    const code = this.#code;
    return { taken: code === undefined ? this.#answered : Math.min(this.#said, this.#answered + 1), code };
  }

  close(): void {
    this.#socket.terminate();
  }

  #send(bytes: Uint8Array): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(bytes);
  }

  #onFrame({ streamId, body }: Frame): void {
    if (body.case === 'welcome') this.#greeted.resolve();
    if (body.case === 'open') {
      this.lastStreamId = streamId;
      this.#given.resolve();
    }
    if (body.case !== 'pong' || body.value.nonce < firstNonce) return;
    this.#answered++;
    if (this.#said > 0 && body.value.nonce === firstNonce + mutantsPerConnection - 1) this.#done.resolve();
  }
}
