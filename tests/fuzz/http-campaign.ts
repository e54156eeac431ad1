// Mutated HTTP/1.1 requests, one connection each. Whatever is asked, the answer is one of the statuses that the door
// knows, or the connection ends; never a 500, never silence.
import { connect } from 'node:net';
import { within } from '../harness/waiting.ts';
import type { Campaign, Case, NewCampaign } from './campaign.ts';
import { readCorpus } from './corpus.ts';
import { count } from './lab.ts';
import { mutate } from './mutate.ts';

const lanes = 24;
/** Somebody who waits for the rest of a request is told so late; a mutant says by then that there is no rest. */
const patienceMs = 40;
const endMs = 12_000;
const statuses = new Set([
  ...[200, 206, 400, 401, 403, 404, 405, 406, 408, 409, 411, 412, 413, 414, 415, 417, 421, 422, 426, 429, 431],
  ...[501, 502, 503, 504, 505],
]);

export const httpCampaign: NewCampaign = async (lab) => {
  const corpus = [...readCorpus('http', lab.markers).values()];
  const campaign: Campaign = {
    name: 'http',
    lanes,
    close: async () => {},
    async run({ random, tally }: Case) {
      const mutant = mutate(random.pick(corpus), random, corpus);
      const answer = await within('the HTTP door ends a connection', endMs, send(lab.cluster.ports.http, mutant));
      const outcome = judge(answer);
      count(tally, outcome);
      return 1;
    },
  };
  return campaign;
};

/** Sends, and says no more; resolves with what came until the end. */
function send(port: number, request: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: false });
    const chunks: Buffer[] = [];
    const hangUp = setTimeout(() => socket.end(), patienceMs);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      // An interim answer asks for the body, which is there already.
      if (!chunk.subarray(0, 12).equals(Buffer.from('HTTP/1.1 100'))) socket.end();
    });
    socket.on('close', () => {
      clearTimeout(hangUp);
      resolve(Buffer.concat(chunks).toString('latin1'));
    });
    socket.write(request);
  });
}

function judge(answer: string): string {
  if (answer === '') return 'closed';
  const final = answer.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
  if (final === '') return 'closed after 100';
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(final)?.[1]);
  if (!statuses.has(status)) throw new Error(`an answer that the door must not give: ${answer.slice(0, 400)}`);
  return `status ${status}`;
}
