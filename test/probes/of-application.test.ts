import { beforeEach, expect, test } from '@jest/globals';
import { ofApplication } from '../../agent/probes/of-application.ts';
import type { Probe, ProbeAnswer } from '../../agent/probes/probe.ts';

// A good answer to the probe counts while the node is out only where the application gives it.

const never = new AbortController().signal;
let answer: ProbeAnswer;
let place: string;
let stranger: string | null;
let learned: string[];
let named: string[];
let probe: Probe;

beforeEach(() => {
  answer = { kind: 'healthy' };
  place = 'rotation';
  stranger = null;
  learned = [];
  named = [];
  probe = ofApplication(
    { ask: async () => answer },
    {
      place: () => place,
      learn: async () => void learned.push(place),
      strangerAt: async () => stranger,
      onStranger: (text) => named.push(text),
    },
  );
});

test('the processes at the port are learned at a good answer in rotation, and once more on the way outward', async () => {
  answer = { kind: 'unhealthy', reason: 'status 500' };
  await probe.ask(never);
  expect(learned).toEqual([]);
  answer = { kind: 'healthy' };
  for (const next of ['rotation', 'rotation', 'outward', 'outward', 'out', 'back', 'rotation']) {
    place = next;
    await probe.ask(never);
  }
  expect(learned).toEqual(['rotation', 'outward', 'rotation']);
});

test('a stranger counts in service; while the node is out it is unhealthy, and is named once', async () => {
  stranger = 'port 80 is held by process 7 (nc)';
  expect(await probe.ask(never)).toEqual({ kind: 'healthy' });
  place = 'out';
  for (const _ of [1, 2]) expect(await probe.ask(never)).toEqual({ kind: 'unhealthy', reason: stranger });
  expect(named).toEqual([expect.stringContaining(stranger)]);
  stranger = null;
  expect(await probe.ask(never)).toEqual({ kind: 'healthy' });
});
