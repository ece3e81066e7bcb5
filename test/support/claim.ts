import type { Claim } from '../../agent/lifecycle/model/pool.ts';

let made = 0;

/** A claim of its own in a pool. */
export function claimOf(pool: string, node: string, changes: Partial<Claim> = {}): Claim {
  made += 1;
  return {
    pool,
    node,
    id: made.toString(16).padStart(16, '0'),
    operation: 'restart',
    by: 'test',
    reason: null,
    slots: 1,
    brake: 1,
    servers: { 'tcp://127.0.0.1:1': [`app/${node}`] },
    ...changes,
  };
}
