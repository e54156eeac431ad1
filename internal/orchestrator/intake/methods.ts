// Every method of the services, with what a call of it needs. A door of protobuf mounts them all, so that no method is
// open at one door and guarded at another.
import type { DescMessage, DescMethodServerStreaming, DescMethodUnary, MessageShape } from '@bufbuild/protobuf';
import { AgentService as AgentDescriptor } from '../../../gen/resproxy/v1/agent_pb.ts';
import { JobService as JobDescriptor } from '../../../gen/resproxy/v1/job_pb.ts';
import type { AgentService } from './agent-service.ts';
import type { CallContext, CallRule } from './call.ts';
import type { DurableJobService } from './durable/durable-job-service.ts';
import type { JobService } from './job-service.ts';

export interface Services {
  readonly jobs: JobService;
  readonly durable: DurableJobService;
  readonly agents: AgentService;
}

/** What a door does with a method. What `run` throws is a JobFailure, or a defect. */
export interface Mount {
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    rule: CallRule,
    run: (request: MessageShape<I>, context: CallContext) => MessageShape<O> | Promise<MessageShape<O>>,
  ): void;
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    rule: CallRule,
    run: (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageShape<O>>,
  ): void;
}

/** What a call of each kind needs; no scope implies another. */
export const rules = {
  runJob: { scope: 'jobs:run', isJob: true },
  actOnJob: { scope: 'jobs:run', isJob: false },
  readJob: { scope: 'jobs:read', isJob: false },
  readAgent: { scope: 'agents:read', isJob: false },
  actOnAgent: { scope: 'agents:admin', isJob: false },
} as const satisfies Readonly<Record<string, CallRule>>;

export function mountMethods({ jobs, durable, agents }: Services, mount: Mount): void {
  const { runJob, actOnJob, readJob, readAgent, actOnAgent } = rules;
  const { method: job } = JobDescriptor;
  mount.unary(job.runJob, runJob, (request, context) => jobs.runJob(request, context));
  mount.stream(job.streamJob, runJob, (request, context) => jobs.streamJob(request, context));
  mount.unary(job.submitJob, runJob, (request, context) => durable.submitJob(request, context));
  mount.unary(job.submitJobs, runJob, (request, context) => durable.submitJobs(request, context));
  mount.stream(job.watchJob, readJob, (request, context) => durable.watchJob(request, context));
  mount.stream(job.watchJobs, readJob, (request, context) => durable.watchJobs(request, context));
  mount.unary(job.getJob, readJob, (request, context) => durable.getJob(request, context));
  mount.stream(job.getJobResult, readJob, (request, context) => durable.getJobResult(request, context));
  mount.unary(job.cancelJob, actOnJob, (request, context) => durable.cancelJob(request, context));
  mount.unary(job.listJobs, readJob, (request, context) => durable.listJobs(request, context));
  mount.unary(job.redriveJob, runJob, (request, context) => durable.redriveJob(request, context));
  mount.unary(job.redeliverCallback, actOnJob, (request, context) => durable.redeliverCallback(request, context));

  const { method: agent } = AgentDescriptor;
  mount.unary(agent.listAgents, readAgent, (request, context) => agents.listAgents(request, context));
  mount.unary(agent.getAgent, readAgent, (request, context) => agents.getAgent(request, context));
  mount.stream(agent.watchAgents, readAgent, (request, context) => agents.watchAgents(request, context));
  mount.unary(agent.drainAgent, actOnAgent, (request, context) => agents.drainAgent(request, context));
  mount.unary(agent.disconnectAgent, actOnAgent, (request, context) => agents.disconnectAgent(request, context));
}
