import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  CRASH_POINTS,
  type CrashCampaign,
  type CrashPoint,
  openCrashCampaign,
} from '../support/crash-campaign.ts';

let campaign: CrashCampaign;
beforeAll(async () => {
  campaign = await openCrashCampaign();
});
afterAll(() => campaign.close());

async function survives(point: CrashPoint, reload: boolean): Promise<void> {
  const { result, asked, stops, ...report } = await campaign.crashAt(point, reload);
  // What never reached the disk was never accepted, and the caller got that answer.
  if (point === 'before-intent')
    expect({ result, asked, stops }).toEqual({ result: null, asked: 69, stops: 0 });
  else {
    expect(result).toMatchObject({ operation: 'restart', code: 'done', phase: 'serving' });
    expect(stops).toBe(1);
  }
  expect(report).toMatchObject({ stoppedWith: 0, failed: 0, lost: 0, failures: [] });
  expect(report.status).toMatch(/^UP/);
}

describe('kill -9 of the sidecar under users who come and go, then a start', () => {
  test.each(CRASH_POINTS)('%s: the restart ends, with one stop and no session lost', (point) =>
    survives(point, false),
  );
  test.each(CRASH_POINTS)('%s, and a reload that forgets everything before the start: the same', (point) =>
    survives(point, true),
  );
});
