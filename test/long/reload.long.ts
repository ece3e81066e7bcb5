import { expect, test } from '@jest/globals';
import { openReloadCampaign, RELOADED_IN } from '../support/reload-campaign.ts';
import { brokenBy } from '../support/reload-verdict.ts';

const TIMES = 20;

test('twenty reloads in each of ten moments, with a server-state file and without, keep every promise', async () => {
  const campaign = await openReloadCampaign();
  const broken: string[] = [];
  const sums = { reloads: 0, leaked: 0, failed: 0, lost: 0, lostWhileStopping: 0, slowestSeconds: 0 };
  try {
    for (let time = 0; time < TIMES; time++) {
      for (const keepsState of [true, false]) {
        for (const phase of RELOADED_IN) {
          const report = await campaign.reloadIn(phase, keepsState);
          const how = `${time}: ${phase} ${keepsState ? 'with' : 'without'} a state file`;
          broken.push(...brokenBy(report, phase, keepsState).map((text) => `${how}: ${text}`));
          sums.reloads += 1;
          sums.failed += report.failed;
          if (phase === 'stopping' && !keepsState) sums.lostWhileStopping += report.lost;
          else sums.lost += report.lost;
          for (const { reasserts } of report.results)
            sums.slowestSeconds = Math.max(sums.slowestSeconds, reasserts.slowestSeconds);
          if (keepsState) sums.leaked += report.leaked ?? 0;
        }
      }
    }
  } finally {
    await campaign.close();
  }
  process.stdout.write(`reloads: ${JSON.stringify(sums)}, ${broken.length} promises broken\n`);
  expect(broken).toEqual([]);
});
