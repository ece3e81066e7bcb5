import type { Claim } from '../../../agent/lifecycle/model/pool.ts';
import type { NeighbourDeed } from './deeds.ts';
import type { Stage } from './world.ts';

/** A node of the same lock whose sidecar is not played: what it does there, and nothing else of it is seen. */
export const NEIGHBOUR = 'app9';

const CLAIM: Claim = {
  pool: 'app',
  node: NEIGHBOUR,
  id: '9999999999000001',
  operation: 'restart',
  by: 'test',
  reason: 'of the neighbour',
  slots: 1,
  brake: 1,
  servers: {},
};

export function neighbour({ lock, time }: Pick<Stage, 'lock' | 'time'>, to: NeighbourDeed): void {
  if (lock.down !== null) return;
  const isHolder = lock.view(time.now).holders.some(({ claim }) => claim.node === NEIGHBOUR);
  switch (to) {
    case 'take':
    case 'give':
      return void lock.ask({ does: to, claim: CLAIM }, time.now);
    case 'fail':
      if (isHolder)
        lock.ask({ does: 'mark', claim: CLAIM, state: 'failed', failure: 'it is failed' }, time.now);
      return;
    case 'die':
      return lock.setAlive(NEIGHBOUR, false);
    default:
      return to satisfies never;
  }
}
