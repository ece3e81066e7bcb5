import { describe, expect, test } from '@jest/globals';
import { createCustody, type Custody } from '../../agent/sessions/table-completeness.ts';

/** Asks at this second about the worker `pid`, which has run for `uptimeSeconds`; the answer in seconds too. */
async function sinceAt(
  custody: Custody,
  second: number,
  [pid, uptimeSeconds]: readonly [number, number],
  { taught = false, serverId = 1 } = {},
): Promise<number> {
  const info = { pid, version: '2.6.12', uptimeSeconds };
  return (await custody.since(info, serverId, second * 1_000, () => Promise.resolve(taught))) / 1_000;
}

describe('since when a worker knows everybody', () => {
  test('since it began, however often it is seen', async () => {
    const custody = createCustody();
    expect(await sinceAt(custody, 100, [7, 40])).toBe(60);
    expect(await sinceAt(custody, 200, [7, 140])).toBe(60);
  });

  test('since the one before it began, once that one has taught it', async () => {
    const custody = createCustody();
    await sinceAt(custody, 100, [7, 40]);
    expect(await sinceAt(custody, 105, [8, 3])).toBe(102);
    expect(await sinceAt(custody, 106, [8, 4], { taught: true })).toBe(60);
    expect(await sinceAt(custody, 180, [8, 78])).toBe(60);
    expect(await sinceAt(custody, 181, [9, 0], { taught: true })).toBe(60);
  });

  test('since it began, when the one before it was too young itself', async () => {
    const custody = createCustody();
    await sinceAt(custody, 100, [7, 9]);
    expect(await sinceAt(custody, 101, [8, 0], { taught: true })).toBe(101);
  });

  test('since it began, when somebody may have stood in between unseen', async () => {
    const custody = createCustody();
    await sinceAt(custody, 100, [7, 40]);
    expect(await sinceAt(custody, 140, [8, 9], { taught: true })).toBe(131);
  });

  test('since it began, when the server has another number', async () => {
    const custody = createCustody();
    await sinceAt(custody, 100, [7, 40]);
    expect(await sinceAt(custody, 101, [8, 0], { taught: true, serverId: 2 })).toBe(101);
  });

  test('since it began, when it was not taught within a minute', async () => {
    const custody = createCustody();
    await sinceAt(custody, 100, [7, 40]);
    expect(await sinceAt(custody, 101, [8, 0])).toBe(101);
    expect(await sinceAt(custody, 162, [8, 61])).toBe(101);
    expect(await sinceAt(custody, 163, [8, 62], { taught: true })).toBe(101);
  });

  test('since it began, when a new one has the same pid', async () => {
    const custody = createCustody();
    await sinceAt(custody, 100, [7, 40]);
    expect(await sinceAt(custody, 110, [7, 5])).toBe(105);
  });
});
