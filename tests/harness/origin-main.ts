// The test origin as a process of its own: for heavy streams, and for networks that the test is not in.
// Arguments: HOST PORT. Its port is in the first line it writes.
import { Origin } from './origin.ts';

const [, , host = '127.0.0.1', port = '0'] = process.argv;
const origin = await Origin.start({ host, port: Number(port) });
process.stdout.write(`${JSON.stringify({ msg: 'listening', port: origin.port })}\n`);
process.once('SIGTERM', () => void origin.close().then(() => process.exit(0)));
