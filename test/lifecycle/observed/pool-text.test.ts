import { expect, test } from '@jest/globals';
import { viewOf } from '../../../agent/fleet/pool-queue.ts';
import type { Claim } from '../../../agent/lifecycle/model/pool.ts';
import { NEW_SLOT } from '../../../agent/lifecycle/model/slot.ts';
import { blockedBy, slotWaitText } from '../../../agent/lifecycle/observed/pool-text.ts';
import { claimOf } from '../../support/claim.ts';

test('The text of a claim that waits names those before it alone, and no more than five', () => {
  const claims = Array.from({ length: 12 }, (_none, index) => claimOf('app', `app${index}`));
  const [held, ...queue] = claims as [Claim, ...Claim[]];
  const holder = { claim: held, state: 'out', failure: null, since: 0, alive: true, revision: '1' } as const;
  const view = viewOf(
    0,
    [holder],
    queue.map((claim) => ({ claim, since: 0 })),
  );
  const words = (place: number): string =>
    blockedBy('app', queue[place] as Claim, view).message.replace(/^.*before it in the queue: /, '');
  expect(blockedBy('app', queue[0] as Claim, view).message).not.toMatch(/before it/);
  expect(words(2)).toMatch(/^app1, app2; ask again/);
  expect(words(10)).toMatch(/^app1, app2, app3, app4, app5 and 5 more; ask again/);
});

test('What status says of a waiting claim names no more than five holders', () => {
  const holders = Array.from({ length: 8 }, (_none, index) => {
    const claim = claimOf('app', `app${index}`);
    return { claim, state: 'out', failure: null, since: 0, alive: true, revision: '1' } as const;
  });
  const claim = claimOf('app', 'app9');
  const view = viewOf(0, holders, [{ claim, since: 0 }]);
  const lines = slotWaitText({ ...NEW_SLOT, claim, lock: [], save: 0, is: 'waits', view });
  expect(lines).toHaveLength(7);
  expect(lines[0]).toBe('a slot of pool app, place 1 in the queue');
  expect(lines.at(-1)).toBe('and 3 more');
});
