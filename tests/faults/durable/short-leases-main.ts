// Preloaded into the pods of a smoke: what a dead pod held is taken over after seconds, so that the run can wait for it.
// In a full run the programs are as they are.
import { callbackLimits } from '../../../internal/orchestrator/callbacks/callback-limits.ts';
import { queueLimits } from '../../../internal/orchestrator/queue/queue-limits.ts';

Object.assign(queueLimits, { leaseMs: 4_000, renewMs: 1_000, sweepMs: 1_000 });
Object.assign(callbackLimits, { leaseMs: 4_000, timeoutMs: 3_000 });
