import { describe, test } from '@jest/globals';
import fc from 'fast-check';
import { campaigns, play } from '../support/world/campaign.ts';
import { runs, SEED } from '../support/long.ts';

describe('Whatever happens', () => {
  test('the promises I1 to I14 hold', () => {
    fc.assert(
      fc.property(campaigns, (campaign) => void play(campaign)),
      { numRuns: runs(1500), seed: SEED },
    );
  });
});
