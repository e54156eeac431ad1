// A name server that answers from a table. A name may have a script: a list of answers, one for each question, the last
// one for good.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { decode, encode } from 'dns-packet';

/** The addresses of a name; the first list answers the first question, the last one all that follow. */
export type Zone = Readonly<Record<string, readonly (readonly string[])[]>>;

export class DnsServer {
  readonly #socket: Socket = createSocket('udp4');
  readonly #zone: Zone;
  readonly #asked = new Map<string, number>();

  private constructor(zone: Zone) {
    this.#zone = zone;
    this.#socket.on('message', (bytes, from) => this.#answer(bytes, from));
  }

  static async start(zone: Zone, host: string, port = 53): Promise<DnsServer> {
    const server = new DnsServer(zone);
    server.#socket.bind(port, host);
    await once(server.#socket, 'listening');
    return server;
  }

  close(): void {
    this.#socket.close();
  }

  #answer(bytes: Buffer, from: RemoteInfo): void {
    const query = decode(bytes);
    const question = query.questions?.[0];
    if (!question) return;
    const known = this.#addresses(question.name.toLowerCase(), question.type);
    const answers = known?.map((data) => ({ name: question.name, type: question.type, ttl: 0, data }));
    const reply = encode({
      type: 'response',
      id: query.id ?? 0,
      // Recursion is available; an unknown name does not exist (RCODE 3).
      flags: 0x0080 | (known ? 0 : 3),
      questions: [question],
      answers: answers ?? [],
    });
    this.#socket.send(reply, from.port, from.address);
  }

  /** Undefined for a name that does not exist. A and AAAA of one look-up count as one question. */
  #addresses(name: string, type: string): readonly string[] | undefined {
    const script = this.#zone[name];
    if (!script) return undefined;
    const key = `${name} ${type}`;
    const asked = this.#asked.get(key) ?? 0;
    this.#asked.set(key, asked + 1);
    const addresses = script[Math.min(asked, script.length - 1)] ?? [];
    return addresses.filter((address) => (isIPv6(address) ? type === 'AAAA' : type === 'A'));
  }
}
