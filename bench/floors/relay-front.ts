// The floor of a pod that has the job and not the agent: its doors, and one Frame over HTTP/2 with TLS to the pod that has it
// and back. The other pod's port is its argument.
import { connect } from 'node:http2';
import { listening, onFrame, startDoors } from './doors.ts';
import { onFrames, path, sendFrame } from './hop.ts';

// Whose certificate it is costs nothing per job.
const link = connect(`https://127.0.0.1:${process.argv[2]}`, { rejectUnauthorized: false });
const hop = link.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
onFrames(hop, onFrame);
const ports = await startDoors((frame) => sendFrame(hop, frame));
listening('grpc', ports.grpc);
listening('http', ports.http);
