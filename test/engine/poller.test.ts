import { expect, test } from '@jest/globals';
import { createPoller } from '../../agent/engine/poller.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** Lets what is under way come to its end; nothing here waits for the outside. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function rig(pauseMs: number, minPauseMs?: () => number) {
  const clock = new ManualClock();
  const began = clock.now();
  const asked: number[] = [];
  const ask = async (): Promise<void> => {
    asked.push(clock.now() - began);
    await settled();
  };
  return { clock, asked, poller: createPoller(clock, ask, () => pauseMs, minPauseMs) };
}

test('without a pause of its own a kick asks at once, and once more after a question under way', async () => {
  const { clock, asked, poller } = rig(100);
  poller.kick();
  poller.kick();
  poller.kick();
  await clock.armed();
  expect(asked).toEqual([0, 0]);
  clock.advance(30);
  poller.kick();
  await clock.armed();
  expect(asked).toEqual([0, 0, 30]);
  clock.advance(100);
  await clock.armed();
  expect(asked).toEqual([0, 0, 30, 130]);
  poller.stop();
  expect(clock.pending).toBe(0);
});

test('with a least pause the next question comes at its end, kicked or not', async () => {
  const { clock, asked, poller } = rig(100, () => 1_000);
  poller.kick();
  poller.kick();
  await clock.armed();
  expect(asked).toEqual([0]);
  clock.advance(400);
  poller.kick();
  clock.advance(599);
  expect(asked).toEqual([0]);
  clock.advance(1);
  await clock.armed();
  expect(asked).toEqual([0, 1_000]);
  clock.advance(1_500);
  await clock.armed();
  expect(asked).toEqual([0, 1_000, 2_000]);
  poller.stop();
  expect(clock.pending).toBe(0);
});

test('a longer pause than the least one stays, and a kick after the least one asks at once', async () => {
  const { clock, asked, poller } = rig(5_000, () => 1_000);
  poller.kick();
  await clock.armed();
  clock.advance(1_000);
  expect(asked).toEqual([0]);
  poller.kick();
  await clock.armed();
  expect(asked).toEqual([0, 1_000]);
  clock.advance(4_999);
  expect(asked).toEqual([0, 1_000]);
  clock.advance(1);
  await clock.armed();
  expect(asked).toEqual([0, 1_000, 6_000]);
  poller.stop();
});

test('what confirms is asked at once, within the least pause too, and once more after a question under way', async () => {
  const { clock, asked, poller } = rig(100, () => 1_000);
  poller.kick();
  await clock.armed();
  clock.advance(400);
  poller.confirm();
  poller.kick();
  poller.confirm();
  await clock.armed();
  expect(asked).toEqual([0, 400, 400]);
  clock.advance(999);
  expect(asked).toEqual([0, 400, 400]);
  clock.advance(1);
  await clock.armed();
  expect(asked).toEqual([0, 400, 400, 1_400]);
  poller.stop();
  poller.confirm();
  expect(clock.pending).toBe(0);
});
