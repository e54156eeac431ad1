import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isTrustedUrl } from './issuer-config.ts';
import { jwksIssuer } from './issuer-fixture.ts';
import { issuerLimits } from './issuer-limits.ts';
import { WebDocuments } from './web-documents.ts';

const keys = { keys: [] };
let server: Server;
let url: string;
let seen: string[];
let answers: Record<string, (request: IncomingMessage, response: ServerResponse) => void>;

beforeEach(async () => {
  seen = [];
  server = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers.authorization}`);
    const answer = answers[request.url ?? ''];
    if (answer) answer(request, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  answers = {
    '/.well-known/openid-configuration': says({ issuer: url, jwks_uri: `${url}/keys` }),
    '/keys': says(keys),
  };
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function says(body: object) {
  return (_request: IncomingMessage, response: ServerResponse) => response.end(JSON.stringify(body));
}

function read(changes: Parameters<typeof jwksIssuer>[0] = {}) {
  return new WebDocuments(jwksIssuer({ issuer: url, ...changes })).read();
}

test('keys are where discovery says, or where the file does', async () => {
  expect(await read()).toEqual({ issuer: url, keys });
  expect(await read({ jwksUri: `${url}/keys`, issuer: 'https://issuer.example' })).toEqual({
    issuer: 'https://issuer.example',
    keys,
  });
  expect(seen.map((line) => line.split(' ')[0])).toEqual(['/.well-known/openid-configuration', '/keys', '/keys']);
});

test('nothing is followed that the issuer did not say itself', async () => {
  answers['/keys'] = (_request, response) => response.writeHead(302, { location: `${url}/elsewhere` }).end();
  await expect(read()).rejects.toThrow(`${url}/keys answers 302`);
  answers['/.well-known/openid-configuration'] = says({ issuer: `${url}/other`, jwks_uri: `${url}/keys` });
  await expect(read()).rejects.toThrow(`says that it is ${url}/other`);
  answers['/.well-known/openid-configuration'] = says({ issuer: url, jwks_uri: 'http://example.com/keys' });
  await expect(read()).rejects.toThrow('not https://');
  answers['/.well-known/openid-configuration'] = says({ issuer: url });
  await expect(read()).rejects.toThrow('does not name issuer and jwks_uri');
});

test('what is too large, or is no JSON, is not taken', async () => {
  answers['/keys'] = says({ keys: ['x'.repeat(issuerLimits.maxDocumentBytes)] });
  await expect(read()).rejects.toThrow();
  answers['/keys'] = (_request, response) => response.end('<html>');
  await expect(read()).rejects.toThrow('not JSON');
});

test('a token is shown to whom the file names, and to nobody else', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'issuer-'));
  const tokenFile = join(dir, 'token');
  await writeFile(tokenFile, 'ask-with-this\n');
  await read({ tokenFile });
  answers['/.well-known/openid-configuration'] = says({ issuer: url, jwks_uri: url.replace('127.0.0.1', 'localhost') });
  await read({ tokenFile }).catch(() => {});
  await rm(dir, { recursive: true });
  expect(seen).toEqual([
    '/.well-known/openid-configuration Bearer ask-with-this',
    '/keys Bearer ask-with-this',
    '/.well-known/openid-configuration Bearer ask-with-this',
    '/ undefined',
  ]);
});

test.each([
  ['https://issuer.example/a', true],
  ['http://127.0.0.1:8080', true],
  ['http://[::1]:8080', true],
  ['http://localhost', true],
  ['http://issuer.example', false],
  ['http://127.0.0.1.example.com', false],
  ['https://user:secret@issuer.example', false],
  ['file:///etc/passwd', false],
  ['issuer', false],
])('%s may be asked: %s', (text, trusted) => {
  expect(isTrustedUrl(text)).toBe(trusted);
});
