import { describe, expect, test } from '@jest/globals';
import { openSlowSite, ROUNDS, type SlowSiteOptions } from '../support/slow-restart.ts';

/** Issue 9: 20 rounds of each site in `npm run test:long`. */
describe('A slow application that another hand restarts while its node drains, `ready` afterwards', () => {
  test.each<SlowSiteOptions>([
    { check: '', meanwhile: 'closed', canStart: false },
    { check: 'check inter 2s', meanwhile: '503', canStart: true },
  ])(
    'no user gets an error: $check, $meanwhile meanwhile',
    async (options) => {
      const site = await openSlowSite(options);
      try {
        const broken: string[] = [];
        for (const round of ROUNDS) broken.push(...(await site.play(round)));
        expect(broken).toEqual([]);
      } finally {
        await site.close();
      }
    },
    180_000,
  );
});
