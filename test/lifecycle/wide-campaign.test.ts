import { describe, expect, test } from '@jest/globals';
import { drawCampaign, play } from '../support/wide/campaign.ts';
import { ALL } from '../support/wide/dimensions.ts';
import { runs } from '../support/long.ts';

/** Fixed seeds; chance has its place in `npm run test:long`. CAMPAIGN.md tells the dimensions. */
const FIRST = 1;

describe('Whatever happens, in the wide world', () => {
  test.each([
    ['base', [], 40],
    ...ALL.map((dim) => [dim, [dim], 6] as const),
    ['all of them', ALL, 25],
  ] as const)('%s: no promise is broken', (_name, dims, usual) => {
    const broken: string[] = [];
    for (let seed = FIRST; seed < FIRST + runs(usual); seed += 1)
      for (const { rule, invariant, what, trace } of play(drawCampaign(seed, dims), { isStrict: true })
        .violations)
        broken.push(`seed ${seed}: ${rule} (${invariant}): ${what}\n${trace.join('\n')}`);
    expect(broken).toEqual([]);
  });

  /** Found by the long campaign, and by no single test: a change of the deeds makes other campaigns of them. */
  test.each([
    [
      'READY of `ready --force` is what the next drain finds and puts back',
      716791640,
      ['operators', 'failures'],
    ],
    ['a stop that is accepted at the end of a ramp is on disk', 737638961, ALL],
  ] as const)('%s', (_what, seed, dims) => {
    expect(play(drawCampaign(seed, dims)).violations).toEqual([]);
  });
});
