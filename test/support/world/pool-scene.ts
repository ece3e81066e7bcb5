import type { Claim } from '../../../agent/lifecycle/model/pool.ts';
import { statusOf } from '../../../agent/lifecycle/report/status.ts';
import type { Status } from '../../../agent/lifecycle/model/api.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import { claimOf } from '../claim.ts';
import { scene, type Scene } from './scene.ts';

/** A node of a pool in the simulated world, and what is seen of its slot. */

export const POOL: NonNullable<Policy['pool']> = {
  name: 'app',
  lock: ['file /run/lock/app'],
  slots: 1,
  brake: 1,
  servers: { lb1: ['app/app1'] },
  balancers: { lb1: 'lb1' },
  seed: '0123456789',
};

export const inPool = (changes: Partial<Policy> = {}): Scene => scene({ pool: POOL, ...changes });

/** A neighbour takes a slot, or a place in the queue. */
export function neighbour(it: Scene, node = 'app2', changes: Partial<Claim> = {}): Claim {
  const claim = claimOf('app', node, { by: 'cli bob', reason: 'deploy 41', ...changes });
  it.lock.ask({ does: 'take', claim }, it.time.now);
  return claim;
}

export const holders = (it: Scene): string[] => it.lock.view(0).holders.map(({ claim }) => claim.node);
export const queue = (it: Scene): string[] => it.lock.view(0).waiters.map(({ claim }) => claim.node);
export const written = (it: Scene): string[] =>
  it.effects.flatMap((effect) => (effect.type === 'set-server' ? [effect.admin] : []));
export const asked = (it: Scene): string[] =>
  it.effects.flatMap((effect) => (effect.type === 'ask-lock' ? [effect.ask.does] : []));
export const logged = (it: Scene): string =>
  it.effects.flatMap((effect) => (effect.type === 'log' ? [effect.text] : [])).join('\n');
export const statusNow = (it: Scene): Status =>
  statusOf(it.policy, it.sidecar.state, { eta: null, etaReason: null, curve: [] }, it.time.now, (at) =>
    String(at),
  );
