// A crowd of simulated agents in one process. Arguments: URL[,URL...] KEY COUNT PREFIX [comes-back], the prefix of their
// names; several URLs are dialled by turns. It says when all are welcomed, when one is lost, and, if they come back, when
// all are welcomed again. Towards a floor they greet as well, and are greeted back.
import { byTurns, SimulatedAgent } from './simulated-agent.ts';

const [, , urls = '', key = '', count = '0', prefix = 'sim', comesBack] = process.argv;
/** Dials under way at once: honest agents come back spread out. */
const dialsAtOnce = 64;

const nextUrl = byTurns(urls.split(','));
let dialled = 0;
let welcomed = 0;

for (let i = 0; i < dialsAtOnce; i++) dialNext();

function dialNext(): void {
  if (dialled === Number(count)) return;
  const name = `${prefix}-${dialled++}`;
  new SimulatedAgent({
    url: nextUrl,
    key,
    name,
    comesBack: comesBack === 'comes-back',
    onWelcome,
    onLost: (code) => onLost(name, code),
  }).dial();
}

function onWelcome(): void {
  dialNext();
  if (++welcomed === Number(count)) say({ msg: 'all welcomed' });
}

function onLost(name: string, code: number): void {
  welcomed--;
  say({ msg: 'lost', name, code });
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
