import { expect, test } from '@jest/globals';
import { playRounds, ROUNDS, SITES } from '../support/slow-restart.ts';

/** Two rounds; `npm run test:long` plays twenty. */
test.each([
  [SITES[1], ROUNDS.slice(0, 1)],
  [SITES[3], ROUNDS.slice(2, 3)],
] as const)(
  'a slow application that something else restarts while its node drains, `ready` afterwards: no user gets an error (%j)',
  async (site, rounds) => {
    if (!site) throw new Error('there is no such site');
    expect(await playRounds(site, rounds)).toEqual([]);
  },
);
