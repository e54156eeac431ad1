// Mutated gRPC requests: several on a connection, a PING behind each that tells when it was taken. HTTP/2 that is
// broken ends the connection, a broken message ends its call; both in time.
import { connect, type Socket } from 'node:net';
import type { SeededRandom } from '../harness/seeded-random.ts';
import { within } from '../harness/waiting.ts';
import type { Campaign, Case, NewCampaign } from './campaign.ts';
import { readCorpus } from './corpus.ts';
import { acknowledged, FrameReader, frameType, ping, preface, settings } from './http2-bytes.ts';
import { count } from './lab.ts';
import { mutate } from './mutate.ts';

const lanes = 12;
const requestsPerConnection = 8;
/** A mutant whose length reaches over what follows leaves the door waiting; it is given up. */
const patienceMs = 60;
const endMs = 12_000;
const frameHeadBytes = 9;

export const grpcCampaign: NewCampaign = async (lab) => {
  const corpus = [...readCorpus('grpc', lab.markers).values()];
  const campaign: Campaign = {
    name: 'grpc',
    lanes,
    close: async () => {},
    async run({ random, tally }: Case) {
      const begin = random.chance(0.97) ? [preface, settings()] : [mutate(preface, random, corpus), settings()];
      const requests = Array.from({ length: requestsPerConnection }, (_, i) => request(corpus, random, 2 * i + 1));
      const { taken, outcome } = await within(
        'the gRPC door answers or closes',
        endMs,
        send(lab.cluster.ports.grpc, begin, requests),
      );
      count(tally, outcome);
      return taken;
    },
  };
  return campaign;
};

/** Honest frames with their stream's id, mutated as a whole or in the message alone. */
function request(corpus: readonly Buffer[], random: SeededRandom, streamId: number): Buffer {
  const frames = framesOf(random.pick(corpus)).map((frame) => onStream(frame, streamId));
  const last = frames.pop();
  if (!last || random.chance(0.25)) return mutate(Buffer.concat([...frames, last ?? Buffer.alloc(0)]), random, corpus);
  // The frame stays whole, so that what is broken is the gRPC message and not the connection.
  const payload = mutate(last.subarray(frameHeadBytes), random, corpus).subarray(0, 16_000);
  const head = Buffer.from(last.subarray(0, frameHeadBytes));
  head.writeUIntBE(payload.length, 0, 3);
  return Buffer.concat([...frames, head, payload]);
}

function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + frameHeadBytes + bytes.readUIntBE(at, 3);
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}

function onStream(frame: Buffer, streamId: number): Buffer {
  const moved = Buffer.from(frame);
  moved.writeUInt32BE(streamId, 5);
  return moved;
}

interface Result {
  readonly taken: number;
  readonly outcome: string;
}

function send(port: number, begin: readonly Buffer[], requests: readonly Buffer[]): Promise<Result> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ port, host: '127.0.0.1' });
    let answered = 0;
    let outcome = 'closed';
    const reader = new FrameReader((type, flags, payload) => {
      if (type === frameType.goAway) outcome = `GOAWAY ${payload.readUInt32BE(4)}`;
      if (acknowledged(type, flags, payload) === undefined) return;
      answered++;
      if (answered === requests.length) giveUp('survived');
    });
    const giveUp = (how: string) => {
      outcome = how;
      socket.destroy();
    };
    const patience = setTimeout(() => giveUp('left waiting'), patienceMs);
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => reader.push(bytes));
    socket.on('close', () => {
      clearTimeout(patience);
      // Of a connection that ended, the request behind the last answer was the one that ended it.
      resolve({ taken: Math.min(requests.length, answered + (outcome === 'survived' ? 0 : 1)), outcome });
    });
    socket.write(Buffer.concat([...begin, ...requests.flatMap((bytes, i) => [bytes, ping(i)])]));
  });
}
