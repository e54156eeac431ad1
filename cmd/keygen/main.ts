// npm run keygen: a key for an agent, or a token for a caller. The secret alone goes to stdout, once; what to do with it
// to stderr, so that `npm run -s keygen -- --name NAME > FILE` is all there is to say.
import { randomBytes } from 'node:crypto';
import { makeAgentKey } from '../../internal/keygen/agent-key.ts';
import { makeCallerToken } from '../../internal/keygen/caller-token.ts';
import { version } from '../../internal/kit/program.ts';
import { help, type Order, readOrder } from './config.ts';

async function fill(order: Order): Promise<void> {
  switch (order.kind) {
    case 'help':
      return give(help);
    case 'version':
      return give(`${version}\n`);
    case 'agent':
      give(`${await makeAgentKey(order.path, order.policy, randomBytes)}\n`);
      return explain(`This key is shown once; ${order.path} keeps only its digest. Give it to the agent as AGENT_KEY.`);
    case 'caller':
      give(`${await makeCallerToken(order.path, order.caller, randomBytes)}\n`);
      return explain(`This token is shown once; ${order.path} keeps only its digest. The caller sends it as
"Authorization: Bearer TOKEN".`);
  }
}

function give(text: string): void {
  process.stdout.write(text);
}

function explain(text: string): void {
  process.stderr.write(`${text}\n`);
}

function readOrderOrExit(): Order {
  try {
    return readOrder(process.argv.slice(2), process.env);
  } catch (error) {
    return fail(error, 2);
  }
}

function fail(error: unknown, status: number): never {
  process.stderr.write(`keygen: ${error instanceof Error ? error.message : String(error)}. Try --help.\n`);
  process.exit(status);
}

await fill(readOrderOrExit()).catch((error: unknown) => fail(error, 1));
