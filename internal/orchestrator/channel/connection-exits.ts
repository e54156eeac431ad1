// The exits that one connection carries, with the link to each. The agent may offer another list at any time, and its
// key may change what holds for them; jobs that run are not touched by either.
import type { ExitList } from '../../../gen/resproxy/v1/channel_pb.ts';
import type { KeyPolicy } from '../keys/policy.ts';
import { LiveExit } from '../registry/live-exit.ts';
import { type LinkHost, LocalLink } from './local-link.ts';
import { type ExitClaim, readClaims, toOffer } from './offers.ts';

const noExits: readonly LiveExit[] = [];
const noClaims: readonly ExitClaim[] = [];

export class ConnectionExits {
  readonly #host: LinkHost;
  readonly #links = new Map<string, LocalLink>();
  #generation: bigint | undefined;
  #claims = noClaims;
  #live = noExits;

  constructor(host: LinkHost) {
    this.#host = host;
  }

  /** Replaced as a whole with every change. */
  get live(): readonly LiveExit[] {
    return this.#live;
  }

  linkTo(name: string): LocalLink | undefined {
    return this.#links.get(name);
  }

  /** Takes the list; false when it is no newer than the one before. Throws a ProtocolError and changes nothing. */
  offer(list: ExitList, agentId: string, policy: KeyPolicy): boolean {
    if (this.#generation !== undefined && list.generation <= this.#generation) return false;
    this.#claims = readClaims(list);
    this.#generation = list.generation;
    this.review(agentId, policy);
    return true;
  }

  /** Judges the claims anew, because they or the key's policy changed. */
  review(agentId: string, policy: KeyPolicy): void {
    const exits = this.#claims.map((claim) => new LiveExit(toOffer(claim, agentId, policy)));
    const names = new Set(exits.map(({ name }) => name));
    for (const [name, link] of this.#links) if (!names.has(name)) this.#withdraw(name, link);
    for (const exit of exits) this.#renew(exit);
    this.#live = exits;
  }

  #renew(exit: LiveExit): void {
    const known = this.#links.get(exit.name);
    if (known) known.renew(exit);
    else this.#links.set(exit.name, new LocalLink(this.#host, exit));
  }

  /** A link with jobs is kept, so that they still count when the exit is offered again. */
  #withdraw(name: string, link: LocalLink): void {
    link.withdraw();
    if (link.inFlight === 0) this.#links.delete(name);
  }
}
