// The services on the library's router: every method over Connect, in JSON and in protobuf, and over gRPC-Web.
import { type ContextKey, createConnectRouter, createContextKey, type HandlerContext } from '@connectrpc/connect';
import type { UniversalHandler } from '@connectrpc/connect/protocol';
import { compressionGzip } from '@connectrpc/connect-node';
import type { CallRule } from '../call.ts';
import { mountMethods, type Services } from '../methods.ts';
import { bounds } from '../validate/bounds.ts';
import type { ConnectCall } from './connect-call.ts';

export interface ConnectMethod {
  readonly handler: UniversalHandler;
  readonly rule: CallRule;
}

/** Under this key a call travels with its context from the adapter to the gate and the service. */
export const callKey: ContextKey<ConnectCall | undefined> = createContextKey<ConnectCall | undefined>(undefined);

/** By path. */
export function connectMethods(services: Services): ReadonlyMap<string, ConnectMethod> {
  const rules: CallRule[] = [];
  const router = createConnectRouter({
    // Native gRPC has a port of its own.
    grpc: false,
    // Base64 of a body takes a third more; what a message of protobuf may take is checked as it arrives.
    readMaxBytes: bounds.maxJsonBytes,
    acceptCompression: [compressionGzip],
    // An answer is an origin's bytes, often compressed already: a pod has better uses for its time.
    compressMinBytes: Number.POSITIVE_INFINITY,
    jsonOptions: { ignoreUnknownFields: false },
    requestGate: (context) => callOf(context).enter(context),
  });
  mountMethods(services, {
    unary: (method, rule, run) => {
      rules.push(rule);
      router.rpc(method, async (request, context) => {
        const call = callOf(context);
        try {
          return await run(request, call.receive());
        } catch (error) {
          throw call.told(error);
        }
      });
    },
    stream: (method, rule, run) => {
      rules.push(rule);
      router.rpc(method, async function* (request, context) {
        const call = callOf(context);
        try {
          yield* run(request, call.receive());
          call.finish();
        } catch (error) {
          throw call.told(error);
        }
      });
    },
  });
  return new Map(
    router.handlers.map((handler, i) => {
      const rule = rules[i];
      if (!rule) throw new Error(`${handler.requestPath} has no rule`);
      return [handler.requestPath, { handler, rule }];
    }),
  );
}

function callOf({ values }: HandlerContext): ConnectCall {
  const call = values.get(callKey);
  if (!call) throw new Error('a call came past the adapter');
  return call;
}
