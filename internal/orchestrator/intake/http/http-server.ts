// The server of the HTTP port. Plain it speaks HTTP/1.1; with a certificate HTTP/2 and HTTP/1.1, as ALPN chooses.
import { createServer, type Server, type ServerOptions } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { Clock } from '../../../kit/clock.ts';
import type { DoorwayLimits } from '../../../kit/doorway.ts';
import { callerDoorway } from '../caller-doorway.ts';
import type { PaceLimits } from './body-pace.ts';
import { type H2Limits, watchSession } from './h2-session.ts';

export interface HttpLimits extends H2Limits, DoorwayLimits, PaceLimits {
  /** For the head of a request in HTTP/1.1. */
  readonly headTimeoutMs: number;
  /** For the TLS handshake. */
  readonly handshakeTimeoutMs: number;
  /** How often overdue connections of HTTP/1.1 are looked for. */
  readonly overdueCheckMs: number;
  /** Without progress in writing an answer. */
  readonly writeTimeoutMs: number;
}

export const defaultHttpLimits: HttpLimits = {
  ...callerDoorway,
  handshakeTimeoutMs: 2_500,
  headTimeoutMs: 3_000,
  overdueCheckMs: 400,
  requestTimeoutMs: 60_000,
  // Mobile networks stall for seconds; the slowest of them carry several times this.
  bodyIdleMs: 10_000,
  minBodyBytesPerSecond: 1_024,
  // Longer than balancers keep a connection, so that it is they who close it.
  idleTimeoutMs: 75_000,
  writeTimeoutMs: 60_000,
};

const maxHeadBytes = 16 * 1024;
const maxStreamsPerConnection = 1_000;
/** A caller whose machine vanished while its job runs is noticed by TCP. */
const keepAliveProbeMs = 30_000;

export function plainServer(limits: HttpLimits): Server {
  return createServer(http1Options(limits));
}

/** Has no certificate yet: whoever starts it sees to that. */
export function tlsServer(limits: HttpLimits, clock: Clock): Http2SecureServer {
  const server = createSecureServer({
    ...http1Options(limits),
    allowHTTP1: true,
    handshakeTimeout: limits.handshakeTimeoutMs,
    settings: { maxConcurrentStreams: maxStreamsPerConnection, maxHeaderListSize: maxHeadBytes },
  });
  server.on('session', (session) => watchSession(session, limits, clock));
  return server;
}

function http1Options(limits: HttpLimits): ServerOptions {
  return {
    headersTimeout: limits.headTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.overdueCheckMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    maxHeaderSize: maxHeadBytes,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveProbeMs,
    noDelay: true,
  };
}
