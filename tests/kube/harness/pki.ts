// The certificates of a cluster: its authority, the server, an administrator, and the keys that sign ServiceAccount tokens.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tool } from '../../harness/tools.ts';

export class Pki {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
    this.#openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=ca');
    this.#sign('server', '/CN=kube-apiserver', 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc');
    this.#sign('admin', '/O=system:masters/CN=admin', 'extendedKeyUsage=clientAuth');
    this.#openssl('genrsa', '-out', 'tokens.key', '2048');
    this.#openssl('rsa', '-in', 'tokens.key', '-pubout', '-out', 'tokens.pub');
  }

  file(name: string): string {
    return join(this.#dir, name);
  }

  #sign(name: string, subject: string, extension: string): void {
    this.#openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
    writeFileSync(this.file(`${name}.ext`), `${extension}\n`);
    const authority = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
    this.#openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, '-extfile', `${name}.ext`, ...authority);
  }

  #openssl(...args: string[]): void {
    execFileSync(tool('openssl'), args, { cwd: this.#dir, stdio: 'pipe', timeout: 30_000 });
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
