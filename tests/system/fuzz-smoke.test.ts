// A short run of tests/fuzz, the same mutants each time: what the long run found before stays found.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { FrameSchema } from '../../gen/resproxy/v1/channel_pb.ts';
import { newCampaigns, shareOf } from '../fuzz/campaigns.ts';
import { corpusDir, readCorpus } from '../fuzz/corpus.ts';
import { fuzz } from '../fuzz/fuzz.ts';
import { FuzzLab } from '../fuzz/lab.ts';
import { mutate } from '../fuzz/mutate.ts';
import { SeededRandom } from '../harness/seeded-random.ts';
import { story } from '../harness/story.ts';

const seed = 1;
const mutants = 4_000;
/** No round begins after it; most machines are through by then. */
const boundMs = 12_000;

story('thousands of mutated frames and requests break no rule of the doors', async (use) => {
  const lab = use(await FuzzLab.start());
  const names = Object.keys(newCampaigns);
  const campaigns = await Promise.all(Object.values(newCampaigns).map((make) => make(lab)));
  use({ close: () => Promise.all(campaigns.map((campaign) => campaign.close())) });
  const reports = await fuzz(lab, campaigns, { seed, mutants: shareOf(mutants, names), boundMs });
  for (const name of names) expect(reports.get(name)?.taken).toBeGreaterThan(50);
});

story('the corpus holds every kind of frame, and a seed gives the same mutants again', async () => {
  const kinds = readdirSync(join(corpusDir, 'agent-frames')).concat(readdirSync(join(corpusDir, 'pod-frames')));
  for (const { localName } of FrameSchema.oneofs[0]?.fields ?? []) {
    expect(kinds.some((file) => file.endsWith(`-${localName}.hex`))).toBe(true);
  }
  const corpus = [...readCorpus('agent-frames', { token: 't'.repeat(43), port: 40_000 }).values()];
  const mutantsOf = (one: number) => {
    const random = SeededRandom.of(one, 'channel', 7);
    return Array.from({ length: 50 }, () => mutate(random.pick(corpus), random, corpus).toString('hex'));
  };
  expect(mutantsOf(seed)).toEqual(mutantsOf(seed));
  expect(mutantsOf(seed)).not.toEqual(mutantsOf(seed + 1));
});
