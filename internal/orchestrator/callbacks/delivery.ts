// One delivery: a signed POST to a receiver, through the guard, and what came of it. No redirect is followed, and of the
// answer nothing but its status is kept.
import type { Client } from 'undici';
import { ConnectError } from '../../guard/connect-error.ts';
import { Connector } from '../../guard/connector.ts';
import type { Clock } from '../../kit/clock.ts';
import { callbackLimits } from './callback-limits.ts';
import { type CallbackRules, portOf } from './callback-rules.ts';
import { signatures } from './signature.ts';

export interface Parcel {
  readonly url: URL;
  /** `webhook-id`: the same for every delivery of one job's end. */
  readonly id: string;
  readonly body: string;
  readonly secrets: readonly Buffer[];
}

export type Receipt =
  | { readonly kind: 'answered'; readonly status: number }
  /** Fixed texts: what a receiver or a resolver says is repeated to nobody. */
  | {
      readonly kind: 'failed';
      readonly why: 'timeout' | 'refused by rules' | 'name not found' | 'no connection' | 'TLS' | 'broken off';
    };

export interface DeliveryMeans {
  readonly rules: CallbackRules;
  readonly clock: Clock;
  /** Certificate authorities in PEM, instead of Node's own. */
  readonly ca?: string;
}

export async function deliver(parcel: Parcel, means: DeliveryMeans): Promise<Receipt> {
  // A pod that never calls back never loads it.
  const { Client } = await import('undici');
  const stop = new AbortController();
  const cancelTimer = means.clock.after(callbackLimits.timeoutMs, () => stop.abort());
  const client = new Client(parcel.url.origin, clientOptions(parcel.url, means, stop.signal));
  try {
    return { kind: 'answered', status: await post(client, parcel, means.clock, stop.signal) };
  } catch (error) {
    return { kind: 'failed', why: stop.signal.aborted ? 'timeout' : reason(error) };
  } finally {
    cancelTimer();
    await client.destroy();
  }
}

async function post(client: Client, { url, id, body, secrets }: Parcel, clock: Clock, signal: AbortSignal) {
  const timestamp = Math.floor(clock.wallMs() / 1000);
  const { statusCode, body: answer } = await client.request({
    method: 'POST',
    path: `${url.pathname}${url.search}`,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'resproxy-callback',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signatures(secrets, id, timestamp, body),
    },
    body,
    signal,
  });
  await answer.dump({ limit: callbackLimits.maxAnswerBytes, signal });
  return statusCode;
}

function clientOptions(url: URL, { rules, clock, ca }: DeliveryMeans, signal: AbortSignal): Client.Options {
  const guard = rules.guardFor(url);
  const connector = new Connector({ guard, clock, ...(ca !== undefined && { ca }) });
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const to = { hostname, port: portOf(url), secure: url.protocol === 'https:', tlsSession: { session: undefined } };
  return {
    allowH2: false,
    connect: (_options, settle) => {
      connector.connect(to, signal).then(
        ({ socket }) => settle(null, socket),
        (error: Error) => settle(error, null),
      );
    },
  };
}

function reason(error: unknown): Extract<Receipt, { kind: 'failed' }>['why'] {
  if (!(error instanceof ConnectError)) return 'broken off';
  switch (error.code) {
    case 'prohibited-address':
    case 'port-refused':
      return 'refused by rules';
    case 'nxdomain':
    case 'dns-failure':
      return 'name not found';
    case 'timeout':
      return 'timeout';
    case 'tls-failure':
    case 'certificate-invalid':
      return 'TLS';
    default:
      return 'no connection';
  }
}
