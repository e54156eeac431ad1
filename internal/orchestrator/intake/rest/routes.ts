// What the REST door offers: path, method, what a call needs, and how it is answered.
import type { PaceOptions } from '../http/body-pace.ts';
import { rules, type Services } from '../methods.ts';
import { toAgentList, toListRequest } from './agents-json.ts';
import { HttpFault } from './http-fault.ts';
import { jobRoutes } from './job-routes.ts';
import { json, type Reply } from './reply.ts';
import { guarded, type Route, type Routes, readOnly } from './route.ts';

export interface HealthSource {
  report(): { readonly healthy: boolean; readonly checks: Readonly<Record<string, string>> };
}

export interface RestServices extends Services {
  readonly health: HealthSource;
  readonly pace: PaceOptions;
}

export interface Found {
  readonly route: Route;
  readonly jobId: string;
}

const jobPath = /^\/jobs\/([^/]+)/;

export function restRoutes(services: RestServices): Routes {
  const { agents, health } = services;
  const listAgents = guarded(rules.readAgent, async ({ query }, context) =>
    json(200, toAgentList(agents.listAgents(toListRequest(query), context))),
  );
  return new Map([
    ...jobRoutes(services),
    ['/agents', readOnly(listAgents)],
    ['/health', readOnly({ kind: 'open', answer: () => answerHealth(health) })],
  ]);
}

/** Throws an HttpFault when there is no such path, or not by this method. */
export function findRoute(routes: Routes, path: string, method: string): Found {
  const methods = routes.get(path) ?? routes.get(path.replace(jobPath, '/jobs/{id}'));
  if (!methods) throw new HttpFault(404, `There is nothing here; try ${[...routes.keys()].join(', ')}.`);
  const route = methods.get(method);
  if (route) return { route, jobId: jobPath.exec(path)?.[1] ?? '' };
  const allow = [...methods.keys()].join(', ');
  throw new HttpFault(405, `This path answers ${allow}.`, { allow });
}

function answerHealth(health: HealthSource): Reply {
  const { healthy, checks } = health.report();
  return json(healthy ? 200 : 503, { status: healthy ? 'healthy' : 'unhealthy', checks });
}
