import { expect, test } from '@jest/globals';
import { playRounds, ROUNDS, SITES } from '../support/slow-restart.ts';

/** Each of the six rounds at each of four sites. */
test.each(SITES)(
  'a slow application that something else restarts while its node drains, `ready` afterwards: no user gets an error (%j)',
  async (site) => {
    expect(await playRounds(site, ROUNDS)).toEqual([]);
  },
);
