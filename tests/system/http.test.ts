// HTTP as a browser treats it: redirects, encodings, TLS, and what crosses from one origin to another.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { expect } from '@jest/globals';
import type { HttpRequestSchema } from '../../gen/resproxy/v1/http_pb.ts';
import { RedirectPolicy_Mode } from '../../gen/resproxy/v1/http_pb.ts';
import { JobService, type RunJobRequest } from '../../gen/resproxy/v1/job_pb.ts';
import { makeCertificates } from '../harness/certificates.ts';
import { Cluster } from '../harness/cluster.ts';
import { Origin } from '../harness/origin.ts';
import { codedText, type Echo } from '../harness/origin-routes.ts';
import { shared, story } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';

const lab = shared(async (use) => {
  const dir = use(await TempDir.make());
  const trusted = makeCertificates(dir.path, ['IP:127.0.0.1', 'DNS:localhost']);
  const otherDir = use(await TempDir.make());
  const foreign = makeCertificates(otherDir.path, ['IP:127.0.0.1']);
  const origin = use(await Origin.start());
  const other = use(await Origin.start());
  const secure = use(await Origin.start({ tls: trusted }));
  const untrusted = use(await Origin.start({ tls: foreign }));
  const cluster = use(await Cluster.start());
  const endpoints = [origin, other, secure, untrusted].map(({ endpoint }) => endpoint).join(',');
  await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: endpoints, NODE_EXTRA_CA_CERTS: trusted.caFile } });
  return { origin, other, secure, untrusted, cluster };
});

type HttpRequestInit = MessageInitShape<typeof HttpRequestSchema>;

async function run(request: HttpRequestInit) {
  const { response } = await lab().cluster.grpc.call(JobService.method.runJob, { request } as RunJobRequest);
  if (!response) throw new Error('no response');
  return response;
}

const reasonOf = async (request: HttpRequestInit) =>
  (await lab().cluster.grpc.failure(JobService.method.runJob, { request } as RunJobRequest)).info?.reason;

const echoOf = async (request: HttpRequestInit) =>
  JSON.parse(Buffer.from((await run(request)).body).toString()) as Echo;

const to = (url: string, status = 302) => `/to-as/${status}/${encodeURIComponent(url)}`;

story('redirects are followed, and the answer says which URL it is of', async () => {
  const response = await run({ url: lab().origin.url('/redirect/3') });
  expect(response).toMatchObject({ statusCode: 200, finalUrl: lab().origin.url('/echo') });
});

story('a caller that wants the 302 itself gets it', async () => {
  const response = await run({ url: lab().origin.url('/redirect/3'), redirects: { mode: RedirectPolicy_Mode.NONE } });
  expect(response.statusCode).toBe(302);
});

story('more hops than allowed end in REDIRECT_LIMIT', async () => {
  expect(await reasonOf({ url: lab().origin.url('/redirect/11') })).toBe('REDIRECT_LIMIT');
  expect(await reasonOf({ url: lab().origin.url('/redirect/3'), redirects: { maxRedirects: 2 } })).toBe(
    'REDIRECT_LIMIT',
  );
  expect((await run({ url: lab().origin.url('/redirect/3'), redirects: { maxRedirects: 3 } })).statusCode).toBe(200);
});

story('301, 302 and 303 turn POST into GET without its body; 307 and 308 keep both', async () => {
  const { origin } = lab();
  for (const status of [301, 302, 303]) {
    const echo = await echoOf({ url: origin.url(to('/echo', status)), method: 'POST', body: Buffer.from('abc') });
    expect(echo).toMatchObject({ method: 'GET', bodyBytes: 0 });
  }
  for (const status of [307, 308]) {
    const echo = await echoOf({ url: origin.url(to('/echo', status)), method: 'POST', body: Buffer.from('abc') });
    expect(echo).toMatchObject({ method: 'POST', bodyBytes: 3 });
  }
});

story('Authorization and Cookie stay with the origin they were meant for', async () => {
  const { origin, other } = lab();
  const headers = [
    { name: 'Authorization', value: 'Basic eA==' },
    { name: 'Cookie', value: 'a=b' },
    { name: 'X-Plain', value: 'goes along' },
  ];
  const namesAt = async (url: string) => (await echoOf({ url, headers })).headers.map(([name]) => name.toLowerCase());
  expect(await namesAt(origin.url(to(origin.url('/echo'))))).toEqual(
    expect.arrayContaining(['authorization', 'cookie']),
  );
  const crossed = await namesAt(origin.url(to(other.url('/echo'))));
  expect(crossed).toContain('x-plain');
  expect(crossed).not.toContain('authorization');
  expect(crossed).not.toContain('cookie');
});

story('an encoded answer is left alone unless decoding is asked for', async () => {
  const url = lab().origin.url('/bomb/gzip');
  const raw = await run({ url });
  expect(raw.headers).toContainEqual(expect.objectContaining({ name: 'content-encoding', value: 'gzip' }));
  expect(raw.body.length).toBeLessThan(100_000);
});

story('decoding on request hands over the plain answer, without the headers of the coded one', async () => {
  for (const coding of ['gzip', 'br']) {
    const response = await run({ url: lab().origin.url(`/coded/${coding}`), decompress: true });
    expect(Buffer.from(response.body).equals(codedText)).toBe(true);
    const names = response.headers.map(({ name }) => name.toLowerCase());
    expect(names).not.toContain('content-encoding');
    expect(names).not.toContain('content-length');
  }
});

story('an answer that decodes to more than the caller allows is refused', async () => {
  for (const coding of ['gzip', 'br']) {
    const request = { url: lab().origin.url(`/bomb/${coding}`), decompress: true, maxResponseBytes: 1_000_000n };
    expect(['DECOMPRESSION_LIMIT', 'RESPONSE_TOO_LARGE']).toContain(await reasonOf(request));
  }
});

story('an answer longer than the caller allows is refused', async () => {
  expect(await reasonOf({ url: lab().origin.url('/bytes/1001'), maxResponseBytes: 1000n })).toBe('RESPONSE_TOO_LARGE');
  expect((await run({ url: lab().origin.url('/bytes/1000'), maxResponseBytes: 1000n })).body.length).toBe(1000);
});

story('a trusted origin is reached over TLS, one with a foreign certificate is not', async () => {
  expect((await run({ url: lab().secure.url('/bytes/9') })).body.length).toBe(9);
  expect(await reasonOf({ url: lab().untrusted.url('/bytes/9') })).toBe('TLS_CERTIFICATE_INVALID');
});

story('plain HTTP on a TLS port is a TLS failure or a broken answer, never a hang', async () => {
  const url = lab().origin.url('/bytes/9').replace('http:', 'https:');
  expect(await reasonOf({ url })).toBe('TLS_FAILURE');
});
