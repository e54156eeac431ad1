// One job, end to end: posted to the orchestrators' Service, made by the agent beside this container, answered by the
// origin that this script is. `helm test` runs it; it is done when the job's answer is the origin's.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

const { JOBS_URL, CALLER_TOKEN, ORIGIN_HOST, ORIGIN_PORT, EXIT_LABEL, BOUND_MS = '120000' } = process.env;
const word = randomUUID();
const origin = createServer((_request, response) => response.end(word));
const ends = Date.now() + Number(BOUND_MS);
const say = (text) => process.stdout.write(`${text}\n`);

/** Undefined when the answer is the origin's, or else what came instead. */
async function tryOnce() {
  const host = ORIGIN_HOST.includes(':') ? `[${ORIGIN_HOST}]` : ORIGIN_HOST;
  const answer = await fetch(`${JOBS_URL}/jobs?sync=true`, {
    method: 'POST',
    headers: { authorization: `Bearer ${CALLER_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ url: `http://${host}:${ORIGIN_PORT}/`, target: { labels: { 'helm-test': EXIT_LABEL } } }),
    signal: AbortSignal.timeout(40_000),
  });
  const { message, result } = await answer.json();
  if (answer.status !== 200) return `${answer.status}: ${message}`;
  const body = Buffer.from(result.body, 'base64').toString();
  return body === word ? undefined : "the answer is not the origin's";
}

async function run() {
  for (let last = ''; ; await pause(1_000)) {
    const trouble = await tryOnce().catch(
      (error) => `${error.message}${error.cause ? `: ${error.cause.message}` : ''}`,
    );
    if (trouble === undefined) return say('a job went out through an agent and its answer came back');
    if (trouble !== last) say(`waiting: ${trouble}`);
    if (Date.now() > ends) throw new Error(`no job went through: ${trouble}`);
    last = trouble;
  }
}

origin.listen(Number(ORIGIN_PORT));
try {
  await run();
} catch (error) {
  say(error.message);
  process.exitCode = 1;
} finally {
  origin.close();
  origin.closeAllConnections();
}
