// What an agent's owner is told when a connection ends or does not come about: what happened and, where somebody has
// to act, what to do.
import { closeCode } from '../../wire/names.ts';
import type { Ending } from './ending.ts';

export interface EndingWords {
  readonly level: 'info' | 'warn' | 'error';
  readonly words: string;
}

export function endingWords(ending: Ending): EndingWords {
  switch (ending.kind) {
    case 'refused':
      return refusedWords(ending.status, ending.error);
    case 'unreachable':
      return warn(`The orchestrator cannot be reached: ${ending.why}.`);
    case 'unwelcome':
      return ending.tooOld ? tooOld : warn(`The orchestrator did not welcome this agent: ${ending.why}.`);
    case 'closed':
      return closedWords.get(ending.code) ?? warn('The connection to the orchestrator was closed.');
    case 'abandoned':
      return { level: 'info', words: 'Gave up connecting.' };
  }
}

function refusedWords(status: number, error: string): EndingWords {
  const said = error === '' ? '' : ` It says: ${error}.`;
  switch (status) {
    case 401:
      return bad(`The orchestrator does not accept this agent's key. Check AGENT_KEY or ask for a new one.${said}`);
    case 403:
      return bad(`The orchestrator does not allow this agent in. Ask whoever gave you its key.${said}`);
    case 426:
      return tooOld;
    default:
      return warn(`The orchestrator refused the connection with status ${status}.${said}`);
  }
}

const tooOld = bad('This agent is too old for the orchestrator. Install the newest version.');
const expectedBack: EndingWords = {
  level: 'info',
  words: 'The orchestrator closed the connection and expects this agent back.',
};

const closedWords: ReadonlyMap<number, EndingWords> = new Map([
  [closeCode.unauthenticated, bad("This agent's key is no longer accepted. Ask whoever gave it to you for a new one.")],
  [
    closeCode.replaced,
    bad('Another agent connected with the same key and AGENT_NAME. Give each agent its own AGENT_NAME.'),
  ],
  [closeCode.upgradeRequired, tooOld],
  [closeCode.goingAway, expectedBack],
  [closeCode.restart, expectedBack],
  [closeCode.drained, { level: 'info', words: 'The orchestrator asked this agent to reconnect.' }],
  [closeCode.overloaded, warn('The orchestrator has too much to do.')],
  [closeCode.heartbeat, warn('The orchestrator fell silent; the connection is given up.')],
  [1006, warn('The connection to the orchestrator broke off.')],
]);

function warn(words: string): EndingWords {
  return { level: 'warn', words };
}

function bad(words: string): EndingWords {
  return { level: 'error', words };
}
