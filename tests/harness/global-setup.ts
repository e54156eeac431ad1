// Runs once before the system tests: the tools they share are there, or the run ends here with what to install.
import { grpcurl, tool } from './tools.ts';

// biome-ignore lint/style/noDefaultExport: Jest takes a global setup from the default export.
export default function checkTools(): void {
  tool('openssl');
  tool('curl');
  grpcurl();
}
