// A real issuer of tokens: a process that publishes keys over HTTPS, and can be killed and started again at the same
// address; the private keys stay here.
import { writeFile } from 'node:fs/promises';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { type Certificates, makeCertificates } from './certificates.ts';
import { Program } from './process.ts';
import { TempDir } from './temp.ts';

type PrivateKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

export class Issuer {
  readonly #dir: TempDir;
  readonly #certificates: Certificates;
  readonly #secrets = new Map<string, PrivateKey>();
  readonly #public = new Map<string, JWK>();
  #program: Program | undefined;
  #port = 0;
  #readsBefore = 0;

  private constructor(dir: TempDir) {
    this.#dir = dir;
    this.#certificates = makeCertificates(dir.path, ['DNS:localhost']);
  }

  /** With the key `k1`. */
  static async start(): Promise<Issuer> {
    const issuer = new Issuer(await TempDir.make());
    try {
      await issuer.makeKey('k1');
      await issuer.publish('k1');
      await issuer.startAgain();
      return issuer;
    } catch (error) {
      await issuer.close();
      throw error;
    }
  }

  get url(): string {
    return `https://localhost:${this.#port}`;
  }

  get caFile(): string {
    return this.#certificates.caFile;
  }

  /** How often its keys were asked for. */
  get reads(): number {
    return this.#readsBefore + this.#readsNow();
  }

  async kill(): Promise<void> {
    this.#readsBefore = this.reads;
    await this.#program?.kill();
    this.#program = undefined;
  }

  /** Where it was before. */
  async startAgain(): Promise<void> {
    const program = new Program({
      name: 'issuer',
      args: ['tests/harness/issuer-main.ts', this.#dir.path, String(this.#port)],
    });
    this.#program = program;
    this.#port = Number((await program.waitForLog('listens', ({ msg }) => msg === 'listening')).port);
  }

  /** Nobody knows of it yet. */
  async makeKey(kid: string): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    this.#secrets.set(kid, privateKey);
    this.#public.set(kid, { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' });
  }

  /** These and no others. */
  async publish(...kids: readonly string[]): Promise<void> {
    await writeFile(this.#dir.file('keys.json'), JSON.stringify({ keys: kids.map((kid) => this.#public.get(kid)) }));
  }

  /** Good for ten minutes, but for what the claims say. */
  async token(claims: JWTPayload = {}, kid = 'k1'): Promise<string> {
    const key = this.#secrets.get(kid);
    if (!key) throw new Error(`there is no key ${kid}`);
    const now = Math.floor(Date.now() / 1000);
    const payload = { iss: this.url, aud: 'resproxy', sub: 'robot', iat: now, exp: now + 600, ...claims };
    return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid }).sign(key);
  }

  async close(): Promise<void> {
    await this.kill();
    await this.#dir.close();
  }

  #readsNow(): number {
    return (this.#program?.logs ?? []).filter(({ msg, path }) => msg === 'asked' && path === '/keys').length;
  }
}
