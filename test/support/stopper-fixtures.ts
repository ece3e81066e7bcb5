import { afterEach, beforeEach } from '@jest/globals';
import { join } from 'node:path';
import { openRollCall, type RollCall } from './fixture-reports.ts';
import { makeTempDir, type TempDir } from './tempdir.ts';

/** What the tests of stoppers begin with, each time anew: the reports of fixtures, and the place of a pid file. */

export let roll: RollCall;
export let dir: TempDir;
export let pidFile: string;

beforeEach(async () => {
  roll = await openRollCall();
  dir = await makeTempDir();
  pidFile = join(dir.path, 'app.pid');
});

afterEach(async () => {
  await roll.close();
  await dir.remove();
});
