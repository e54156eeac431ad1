// Every method of the services, with what a call of it needs. A door of protobuf mounts them all, so that no method is
// open at one door and guarded at another.
import type { DescMessage, DescMethodServerStreaming, DescMethodUnary, MessageShape } from '@bufbuild/protobuf';
import { AgentService as AgentDescriptor } from '../../../gen/resproxy/v1/agent_pb.ts';
import { JobService as JobDescriptor } from '../../../gen/resproxy/v1/job_pb.ts';
import type { AgentService } from './agent-service.ts';
import type { CallContext, CallRule } from './call.ts';
import type { JobService } from './job-service.ts';

export interface Services {
  readonly jobs: JobService;
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

const run: CallRule = { scope: 'jobs:run', isJob: true };
const read: CallRule = { scope: 'agents:read', isJob: false };
const act: CallRule = { scope: 'agents:admin', isJob: false };

export function mountMethods({ jobs, agents }: Services, mount: Mount): void {
  const { method: job } = JobDescriptor;
  const { method: agent } = AgentDescriptor;
  mount.unary(job.runJob, run, (request, context) => jobs.runJob(request, context));
  mount.stream(job.streamJob, run, (request, context) => jobs.streamJob(request, context));
  mount.unary(agent.listAgents, read, (request, context) => agents.listAgents(request, context));
  mount.unary(agent.getAgent, read, (request, context) => agents.getAgent(request, context));
  mount.stream(agent.watchAgents, read, (request, context) => agents.watchAgents(request, context));
  mount.unary(agent.drainAgent, act, (request, context) => agents.drainAgent(request, context));
  mount.unary(agent.disconnectAgent, act, (request, context) => agents.disconnectAgent(request, context));
}
