// Runs a check of Node as if another Node ran it: for the tests of the two checks there are.
import { runInNewContext } from 'node:vm';

/** What a check says and the status it exits with, on a Node of that version. */
export function checkOn(script: string, node: string): { said: string; status: number | undefined } {
  let said = '';
  let status: number | undefined;
  const process = {
    versions: { node },
    version: `v${node}`,
    stderr: { write: (text: string) => (said += text) },
    exit: (code: number) => (status = code),
  };
  runInNewContext(script, { process });
  return { said, status };
}
