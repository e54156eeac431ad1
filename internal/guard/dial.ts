// Opens a TCP connection to the first of the given addresses that answers, by Node's own happy eyeballs. It is handed
// addresses only, so it has nothing to look up.
import { connect, isIPv6, type LookupFunction, type Socket } from 'node:net';

export type Dial = (addresses: readonly string[], port: number) => Socket;

/** Long enough for a far origin on a home line, short enough when a home's IPv6 leads nowhere. */
const attemptTimeoutMs = 500;

export const dialAddresses: Dial = (addresses, port) => {
  const [first = ''] = addresses;
  if (addresses.length === 1) return connect({ host: first, port, noDelay: true });
  const answers = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  const lookup: LookupFunction = (_host, _options, callback) => callback(null, answers);
  return connect({
    host: 'pinned.invalid',
    port,
    lookup,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: attemptTimeoutMs,
    noDelay: true,
  });
};
