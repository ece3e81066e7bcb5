import { afterEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Phase } from '../../agent/lifecycle/model/api.ts';
import { openRig, patience, type Rig, type RigOptions, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

/** Where the crash comes, and what holds the node there long enough to be met. */
interface Crash {
  readonly at: Phase;
  readonly rig?: RigOptions;
}

/** The named points are in crash-points.test.ts, under users; here are phases that lie between them. */
const CRASHES: readonly Crash[] = [
  { at: 'fencing' },
  { at: 'stopping', rig: { termMs: 600 } },
  { at: 'warming', rig: { warmMs: 600 } },
];

describe('kill -9 of the sidecar in the middle of a restart, then start', () => {
  test.each(CRASHES)(
    'at $at: the restart ends, the application was stopped once, and it is back in rotation',
    async (crash) => {
      rig = await openRig({ termMs: 50, ...crash.rig });
      const first = await rig.sidecar();
      const met = first.reaches(crash.at);
      const { json } = await told(first.cli('restart', '--no-wait', '--timeout', '15s'));
      await met;
      await first.kill();

      const second = await rig.sidecar();
      const result = await second.ends(json.id);
      expect(result.message).toBeUndefined();
      expect(result).toMatchObject({ ok: true, code: 'done', operation: 'restart', phase: 'serving' });
      // A signal to the same living process may be repeated (I6); a started one is never stopped again.
      const terms = await rig.terms();
      expect(terms).toBeGreaterThanOrEqual(1);
      expect(terms).toBeLessThanOrEqual(crash.at === 'stopping' ? 2 : 1);
      expect(await rig.admin()).toMatch(/^(UP|no check)/);
      expect(await rig.node.sessions()).toBe(0);
    },
  );

  test('while the disk still holds the end of it: a start after the end changes nothing', async () => {
    rig = await openRig();
    const first = await rig.sidecar();
    await told(first.cli('stop'));
    await first.kill();
    const second = await rig.sidecar();
    expect(await second.reaches('stopped')).toMatchObject({ operation: null });
    const again = await told(second.cli('stop'));
    expect(again).toMatchObject({ code: 0, json: { code: 'done', phase: 'stopped' } });
    expect(await rig.terms()).toBe(1);
    expect((await second.client.status(patience())).balancers[0]?.servers[0]).toMatchObject({
      admin: 'maint',
      owner: 'lastcall',
    });
  });

  test('at a stop by command: the outcome is in doubt, so it is not run again and the node stays fenced', async () => {
    rig = await openRig();
    const marks = join(rig.dir, 'stops');
    const door = join(rig.dir, 'door');
    execFileSync('mkfifo', [door]);
    const app = { stop: { command: ['sh', '-c', `echo stop >>${marks}; read -r line <${door}`] } };
    const first = await rig.sidecar({ sections: { app } });
    const { json } = await told(first.cli('stop', '--no-wait'));
    await until('the command runs', () => existsSync(marks));
    await first.kill();
    const second = await rig.sidecar({ sections: { app } });
    // The command outlived the sidecar, and is waited for; now it may end.
    await writeFile(door, '\n');
    const result = await second.ends(json.id);
    expect(result).toMatchObject({ ok: false, code: 'in-doubt', phase: 'failed' });
    expect(await rig.admin()).toBe('MAINT');
    expect(await readFile(marks, 'utf8')).toBe('stop\n');
  });
});
