import { test } from '@jest/globals';
import fc from 'fast-check';
import { campaigns, play } from '../support/world/campaign.ts';

test('fifteen thousand campaigns that nobody has seen before: the promises I1 to I14 hold', () => {
  fc.assert(
    fc.property(campaigns, (campaign) => void play(campaign)),
    { numRuns: 15_000 },
  );
});
