import { describe, expect, test } from '@jest/globals';
import { memoryJobStore } from './memory-store.ts';
import { behavesLikeTheModel } from './suite/model.ts';
import { storeBehaviours } from './suite/store-suite.ts';
import { job, ref, suiteSettings } from './suite/subject.ts';

function subject() {
  let now = 1_700_000_000_000;
  const store = memoryJobStore({ now: () => now, settings: suiteSettings });
  const advance = (ms: number) => {
    now += ms;
  };
  return { store, advance };
}

describe('jobs in memory', () => {
  for (const { name, check } of storeBehaviours) {
    test(name, () => check(subject()));
  }

  test('keeps the promises of jobs whatever happens', async () => {
    const own = async (now: () => number) => ({
      store: memoryJobStore({ now, settings: suiteSettings }),
      end: async () => {},
    });
    await behavesLikeTheModel({ subject: own, runs: 100 });
  });

  test('tells a follower of each change, until it leaves', async () => {
    const { store } = subject();
    const heard: string[] = [];
    const leave = store.follow(({ jobId, state }) => heard.push(`${jobId} ${state}`));
    await store.submit(job());
    await store.cancel(ref());
    leave();
    await store.submit(job({ jobId: 'j2' }));
    expect(heard).toEqual(['j1 QUEUED', 'j1 CANCELLED']);
  });
});
