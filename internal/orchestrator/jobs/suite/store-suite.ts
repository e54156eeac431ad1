// What every store of jobs must do, whoever keeps it: the tests of each run these behaviours against it, each on a store
// of its own with `suiteSettings`.
import { claiming } from './claiming.ts';
import { ending } from './ending.ts';
import { holding } from './holding.ts';
import type { Behaviour } from './subject.ts';
import { submitting } from './submitting.ts';
import { waiting } from './waiting.ts';

export const storeBehaviours: readonly Behaviour[] = [...submitting, ...claiming, ...waiting, ...holding, ...ending];
