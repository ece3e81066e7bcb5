import { describe, expect, test } from '@jest/globals';
import { createSharedPoll, POLL_EVERY_MS } from '../../../agent/balancers/agent-check/shared-poll.ts';
import type { Look } from '../../../agent/lifecycle/model/observation.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** Looks that end when the test lets them; each answers its number as the worker's pid. */
function scene() {
  const clock = new ManualClock();
  const ends: ((error?: Error) => void)[] = [];
  const shared = createSharedPoll(clock, () => {
    const pid = ends.length + 1;
    return new Promise<Look>((resolve, reject) => {
      const look = { worker: { pid }, workers: 1, unseen: null, servers: [] } as unknown as Look;
      ends.push((error) => (error === undefined ? resolve(look) : reject(error)));
    });
  });
  const ask = async (): Promise<number | undefined> => (await shared()).worker?.pid;
  const begun = async (count: number): Promise<void> => {
    while (ends.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  return { clock, ends, ask, begun };
}

describe('Looks that polls share', () => {
  test('begin after the poll that wants one: a poll during a look gets the next', async () => {
    const { clock, ends, ask, begun } = scene();
    const first = [ask(), ask()];
    await begun(1);
    const second = ask();
    ends[0]?.();
    expect(await Promise.all(first)).toEqual([1, 1]);
    await clock.armed();
    clock.advance(POLL_EVERY_MS);
    await begun(2);
    ends[1]?.();
    expect(await second).toBe(2);
  });

  test('are as many as fit into the time, however many polls there are', async () => {
    const { clock, ends, ask, begun } = scene();
    let looks = 0;
    for (let round = 0; round < 5; round++) {
      const all = Array.from({ length: 200 }, () => ask());
      if (round > 0) {
        await clock.armed();
        clock.advance(POLL_EVERY_MS);
      }
      await begun(round + 1);
      ends[round]?.();
      await Promise.all(all);
      looks = ends.length;
    }
    expect(looks).toBe(5);
  });

  test('go on after one that failed, and only the callers that shared it get its error', async () => {
    const { clock, ends, ask, begun } = scene();
    const failed = expect(ask()).rejects.toThrow('gone');
    await begun(1);
    const next = ask();
    ends[0]?.(new Error('gone'));
    await failed;
    await clock.armed();
    clock.advance(POLL_EVERY_MS);
    await begun(2);
    ends[1]?.();
    expect(await next).toBe(2);
  });
});
