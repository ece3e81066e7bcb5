import { describe, expect, test } from '@jest/globals';
import { createTableCompleteness, type TableCompleteness } from '../../agent/sessions/table-completeness.ts';

/** Asks at this second about the worker `pid`, which has run for `uptimeSeconds`; the answer in seconds too. */
async function sinceAt(
  completeness: TableCompleteness,
  second: number,
  [pid, uptimeSeconds]: readonly [number, number],
  { resynced = false, serverId = 1 } = {},
): Promise<number> {
  const info = { pid, version: '2.6.12', uptimeSeconds };
  return (
    (await completeness.completeSince(info, serverId, second * 1_000, () => Promise.resolve(resynced))) /
    1_000
  );
}

describe('since when a worker knows every user', () => {
  test('since it began, however often it is seen', async () => {
    const completeness = createTableCompleteness();
    expect(await sinceAt(completeness, 100, [7, 40])).toBe(60);
    expect(await sinceAt(completeness, 200, [7, 140])).toBe(60);
  });

  test('since the one before it began, once that one has resynced it', async () => {
    const completeness = createTableCompleteness();
    await sinceAt(completeness, 100, [7, 40]);
    expect(await sinceAt(completeness, 105, [8, 3])).toBe(102);
    expect(await sinceAt(completeness, 106, [8, 4], { resynced: true })).toBe(60);
    expect(await sinceAt(completeness, 180, [8, 78])).toBe(60);
    expect(await sinceAt(completeness, 181, [9, 0], { resynced: true })).toBe(60);
  });

  test('since it began, when the one before it was too young itself', async () => {
    const completeness = createTableCompleteness();
    await sinceAt(completeness, 100, [7, 9]);
    expect(await sinceAt(completeness, 101, [8, 0], { resynced: true })).toBe(101);
  });

  test('since it began, when a worker may have stood in between unseen', async () => {
    const completeness = createTableCompleteness();
    await sinceAt(completeness, 100, [7, 40]);
    expect(await sinceAt(completeness, 140, [8, 9], { resynced: true })).toBe(131);
  });

  test('since it began, when the server has another number', async () => {
    const completeness = createTableCompleteness();
    await sinceAt(completeness, 100, [7, 40]);
    expect(await sinceAt(completeness, 101, [8, 0], { resynced: true, serverId: 2 })).toBe(101);
  });

  test('since it began, when it was not resynced within a minute', async () => {
    const completeness = createTableCompleteness();
    await sinceAt(completeness, 100, [7, 40]);
    expect(await sinceAt(completeness, 101, [8, 0])).toBe(101);
    expect(await sinceAt(completeness, 162, [8, 61])).toBe(101);
    expect(await sinceAt(completeness, 163, [8, 62], { resynced: true })).toBe(101);
  });

  test('since it began, when a new one has the same pid', async () => {
    const completeness = createTableCompleteness();
    await sinceAt(completeness, 100, [7, 40]);
    expect(await sinceAt(completeness, 110, [7, 5])).toBe(105);
  });
});
