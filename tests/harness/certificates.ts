// A throw-away certificate authority and a server certificate signed by it, made with openssl.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tool } from './tools.ts';

export interface Certificates {
  /** Files in PEM. */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Their content. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate for the names and addresses in `subjects`, such as `DNS:localhost` and `IP:127.0.0.1`. */
export function makeCertificates(dir: string, subjects: readonly string[]): Certificates {
  const file = (name: string) => join(dir, name);
  const openssl = (...args: string[]) => void execFileSync(tool('openssl'), args, { cwd: dir, stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
  );
  openssl('req', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=test server');
  writeFileSync(file('server.ext'), `subjectAltName=${subjects.join(',')}\n`);
  const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'server.ext', '-days', '2'];
  openssl('x509', '-req', '-in', 'server.csr', '-out', 'server.crt', ...signing);
  return {
    caFile: file('ca.crt'),
    certFile: file('server.crt'),
    keyFile: file('server.key'),
    ca: readFileSync(file('ca.crt'), 'utf8'),
    cert: readFileSync(file('server.crt'), 'utf8'),
    key: readFileSync(file('server.key'), 'utf8'),
  };
}
