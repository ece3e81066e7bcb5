import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openReloadCampaign, RELOADED_IN, type ReloadCampaign } from '../support/reload-campaign.ts';
import { brokenBy } from '../support/reload-verdict.ts';

let campaign: ReloadCampaign;
beforeAll(async () => {
  campaign = await openReloadCampaign();
});
afterAll(() => campaign.close());

describe('A reload of HAProxy under users who come and go', () => {
  test.each(RELOADED_IN)('%s, with a fresh server-state file: no new user comes in', async (phase) => {
    expect(brokenBy(await campaign.reloadIn(phase, true), phase, true)).toEqual([]);
  });

  test.each(RELOADED_IN)('%s, without one: put right within one poll, and no user is lost', async (phase) => {
    expect(brokenBy(await campaign.reloadIn(phase, false), phase, false)).toEqual([]);
  });
});
