// An issuer of tokens as a process of its own, behind TLS: discovery, and the keys that lie in its folder at that moment.
// Arguments: FOLDER PORT. It says where it listens, and each request that it answers.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const [, , folder = '', port = '0'] = process.argv;
const read = (name: string) => readFileSync(join(folder, name), 'utf8');
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

const server = createServer({ cert: read('server.crt'), key: read('server.key') }, (request, response) => {
  const issuer = `https://localhost:${(server.address() as AddressInfo).port}`;
  say({ msg: 'asked', path: request.url });
  response.setHeader('content-type', 'application/json');
  if (request.url === '/.well-known/openid-configuration')
    response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
  else if (request.url === '/keys') response.end(read('keys.json'));
  else response.writeHead(404).end();
});
server.listen(Number(port), '127.0.0.1', () => say({ msg: 'listening', port: (server.address() as AddressInfo).port }));
