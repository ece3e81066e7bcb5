import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConditionConfig } from '../../agent/config/hooks-config.ts';
import { createCondition } from '../../agent/hooks/condition.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

const env = { PATH: process.env['PATH'], OWN: 'mine' };
const patience = (): AbortSignal => AbortSignal.timeout(20_000);
let dir: TempDir;
beforeEach(async () => (dir = await makeTempDir()));
afterEach(() => dir.remove());

const conditionOf = (config: ConditionConfig) =>
  createCondition(config, { clock: realClock, env, node: 'app1' });
const command = (script: string, timeoutMs = 10_000): ConditionConfig => ({
  kind: 'command',
  command: ['sh', '-c', script],
  timeoutMs,
});

describe('A file', () => {
  test('is the condition as long as it is there', async () => {
    const path = join(dir.path, 'due');
    const condition = conditionOf({ kind: 'file', path });
    expect(condition.name).toBe(path);
    expect(await condition.look(patience())).toEqual({ isMet: false, why: `${path} is not there` });
    await writeFile(path, '');
    expect(await condition.look(patience())).toEqual({ isMet: true, why: `${path} is there` });
    const below = conditionOf({ kind: 'file', path: join(path, 'below-a-file') });
    expect(await below.look(patience())).toMatchObject({ isMet: false });
  });

  test('that cannot be looked for is neither there nor missing', async () => {
    const path = join(dir.path, 'n'.repeat(300));
    await mkdir(join(dir.path, 'x'));
    await expect(conditionOf({ kind: 'file', path }).look(patience())).rejects.toMatchObject({
      code: 'failed',
      target: path,
      message: expect.stringContaining('ENAMETOOLONG'),
    });
  });
});

describe('A command', () => {
  test.each([
    ['exit 0', true, 'sh: exit code 0'],
    ['exit 1', false, 'sh: exit code 1'],
    ['echo no window >&2; exit 3', false, 'sh: exit code 3: no window'],
    ['test "$LASTCALL_NODE $OWN" = "app1 mine"', true, 'sh: exit code 0'],
  ])('%s', async (script, isMet, why) => {
    expect(await conditionOf(command(script)).look(patience())).toEqual({ isMet, why });
  });

  test('that does not end in time, or does not begin, tells nothing', async () => {
    await expect(conditionOf(command('sleep 60', 100)).look(patience())).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('did not end within'),
    });
    const missing = conditionOf({ kind: 'command', command: ['/no/such/program'], timeoutMs: 1_000 });
    await expect(missing.look(patience())).rejects.toMatchObject({ code: 'failed' });
    await expect(conditionOf(command('kill -9 $$')).look(patience())).rejects.toMatchObject({
      message: expect.stringContaining('ended by SIGKILL'),
    });
  });

  test('ends with the one who asked', async () => {
    const asking = new AbortController();
    const looking = conditionOf(command('sleep 60')).look(asking.signal);
    asking.abort(new LastcallError('interrupted', 'over'));
    await expect(looking).rejects.toMatchObject({ code: 'interrupted' });
  });
});
