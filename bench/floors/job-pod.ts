// The floor of a pod: its doors, and one Frame over ws to the floor's agent and back. What the orchestrator costs above this
// is the price of what it promises.
import { listening, onFrame, startDoors } from './doors.ts';
import { startAgentPort } from './one-agent.ts';

const agent = await startAgentPort(onFrame);
const ports = await startDoors(agent.send);
listening('grpc', ports.grpc);
listening('http', ports.http);
listening('agent', agent.port);
