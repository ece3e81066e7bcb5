import { describe, test } from '@jest/globals';
import fc from 'fast-check';
import { campaigns, play } from '../support/world/campaign.ts';
import { runs } from '../support/long.ts';

/** The same campaigns for everybody who runs `npm test`; chance has its place in `npm run test:long`. */
const SEED = 20_261_128;

describe('Whatever happens', () => {
  test('the promises I1 to I14 hold', () => {
    fc.assert(
      fc.property(campaigns, (campaign) => void play(campaign)),
      { numRuns: runs(1500), seed: SEED },
    );
  });
});
