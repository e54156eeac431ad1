// What the REST door offers: path, method, what a call needs, and how it is answered.
import { JobFailure } from '../../failure/failures.ts';
import type { CallContext, CallRule } from '../call.ts';
import type { Exchange } from '../http/exchange.ts';
import type { JobService } from '../job-service.ts';
import { rules, type Services } from '../methods.ts';
import { invalid } from '../validate/faults.ts';
import { toAgentList, toListRequest } from './agents-json.ts';
import { checkBodyHead, readJson } from './body.ts';
import { HttpFault } from './http-fault.ts';
import { toJobInput } from './job-input.ts';
import { toJobJson } from './job-output.ts';
import { json, jsonText, type Reply } from './reply.ts';

export interface HealthSource {
  report(): { readonly healthy: boolean; readonly checks: Readonly<Record<string, string>> };
}

export interface RestServices extends Services {
  readonly health: HealthSource;
}

/** One request of a caller that was let in. */
export interface RestCall extends Exchange {
  readonly query: URLSearchParams;
}

export type Route =
  | { readonly kind: 'open'; readonly answer: () => Reply }
  | {
      readonly kind: 'guarded';
      readonly rule: CallRule;
      readonly answer: (call: RestCall, context: CallContext) => Promise<Reply>;
    };

/** By path, then by method. */
export type Routes = ReadonlyMap<string, ReadonlyMap<string, Route>>;

export function restRoutes({ jobs, agents, health }: RestServices): Routes {
  const runJob: Route = {
    kind: 'guarded',
    rule: rules.runJob,
    answer: (call, context) => answerJob(jobs, call, context),
  };
  const listAgents: Route = {
    kind: 'guarded',
    rule: rules.readAgent,
    answer: async ({ query }, context) => json(200, toAgentList(agents.listAgents(toListRequest(query), context))),
  };
  return new Map([
    ['/jobs', new Map([['POST', runJob]])],
    ['/agents', readOnly(listAgents)],
    ['/health', readOnly({ kind: 'open', answer: () => answerHealth(health) })],
  ]);
}

function readOnly(route: Route): ReadonlyMap<string, Route> {
  return new Map([
    ['GET', route],
    ['HEAD', route],
  ]);
}

/** Throws an HttpFault when there is no such path, or not by this method. */
export function findRoute(routes: Routes, path: string, method: string): Route {
  const methods = routes.get(path);
  if (!methods) throw new HttpFault(404, `There is nothing here; try ${[...routes.keys()].join(', ')}.`);
  const route = methods.get(method);
  if (route) return route;
  const allow = [...methods.keys()].join(', ');
  throw new HttpFault(405, `This path answers ${allow}.`, { allow });
}

async function answerJob(jobs: JobService, call: RestCall, context: CallContext): Promise<Reply> {
  const { request, response, query } = call;
  if (request.headers['idempotency-key'] !== undefined)
    throw new JobFailure('UNIMPLEMENTED', {
      field: 'Idempotency-Key',
      detail: 'Idempotency-Key: this version does not honour it; leave the header out',
    });
  const syncInQuery = isSync(query);
  checkBodyHead(request);
  if (call.expectsContinue) response.writeContinue();
  const input = toJobInput(await readJson(request));
  if (!syncInQuery && !input.sync)
    throw new JobFailure('UNIMPLEMENTED', {
      field: 'sync',
      detail: 'sync: this version runs a job only while its caller waits; ask for POST /jobs?sync=true',
    });
  return jsonText(200, toJobJson(await jobs.runJob(input.request, context), context.requestId));
}

function isSync(query: URLSearchParams): boolean {
  for (const name of query.keys()) if (name !== 'sync') throw invalid(name, 'is no parameter of a job');
  const values = query.getAll('sync');
  if (values.length === 0) return false;
  if (values.length > 1 || !['true', 'false'].includes(values[0] ?? '')) throw invalid('sync', 'must be true or false');
  return values[0] === 'true';
}

function answerHealth(health: HealthSource): Reply {
  const { healthy, checks } = health.report();
  return json(healthy ? 200 : 503, { status: healthy ? 'healthy' : 'unhealthy', checks });
}
