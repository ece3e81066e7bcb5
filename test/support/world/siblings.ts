import { expect } from '@jest/globals';
import type { Sibling } from '../../../agent/lifecycle/model/survey.ts';
import { scene, type Scene } from './scene.ts';

/** Other nodes of the backend, as the capacity guard sees them. */

export const sibling = (name: string, changes: Partial<Sibling> = {}): Sibling => ({
  name: `app/${name}`,
  role: 'active',
  admin: 'ready',
  forced: 'ready',
  usable: true,
  couldServe: false,
  by: null,
  ...changes,
});

export const inDrain = (name: string): Sibling =>
  sibling(name, { admin: 'drain', forced: 'drain', usable: false, couldServe: true });

export const inMaint = (name: string): Sibling =>
  sibling(name, { admin: 'maint', forced: 'maint', usable: false });

export const down = (name: string): Sibling => sibling(name, { usable: false });

/** What stands beside ours from now on. */
export function stand(it: Scene, ...siblings: readonly Sibling[]): void {
  Object.assign(it.lb, { siblings, others: siblings.filter(({ usable }) => usable).length });
}

/** The moment in which our word reaches HAProxy, and what is so from then on. */
export function onceSaid(it: Scene, admin: 'drain' | 'maint', ...siblings: readonly Sibling[]): void {
  onSet(it, admin, () => stand(it, ...siblings));
}

export function onSet(it: Scene, admin: 'drain' | 'maint', then: () => void): void {
  const set = it.lb.set.bind(it.lb);
  let isOver = false;
  Object.assign(it.lb, {
    set(...word: Parameters<typeof set>): void {
      set(...word);
      if (word[1] !== admin || word[2] !== 'us' || isOver) return;
      isOver = true;
      then();
    },
  });
}

/** Waits in DRAIN for a user of ours. */
export function waiting(changes: Parameters<typeof scene>[0] = {}): Scene & { readonly id: string } {
  const it = scene(changes);
  stand(it, sibling('app2'));
  it.site.visit();
  const id = it.ask('stop');
  it.reach('draining');
  it.time.advance(3_000);
  expect(it.admin()).toBe('drain');
  return { ...it, id };
}
