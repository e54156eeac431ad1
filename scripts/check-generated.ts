// Proves that gen/ is what buf makes of proto/ today, and that proto/ breaks no promise made by the last commit on main.
import { execFileSync } from 'node:child_process';

const run = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8' });

run('buf', 'generate');
const changed = run('git', 'status', '--porcelain', '--', 'gen');
const unstaged = changed.split('\n').filter((line) => line !== '' && line[1] !== ' ');
if (unstaged.length > 0) {
  console.error(`gen/ did not match proto/ and has been made anew; commit it with the change:\n${unstaged.join('\n')}`);
  process.exit(1);
}
checkBreaking();

function checkBreaking(): void {
  try {
    execFileSync('git', ['cat-file', '-e', 'HEAD:proto/buf.yaml'], { stdio: 'ignore' });
  } catch {
    return; // The first commit of proto/ has nothing to break.
  }
  try {
    run('buf', 'breaking', 'proto', '--against', '.git#ref=HEAD,subdir=proto');
  } catch (error) {
    console.error((error as { stdout: string }).stdout);
    console.error('proto/ breaks a promise of the last commit: add fields and reserve numbers, never change them.');
    process.exit(1);
  }
}
