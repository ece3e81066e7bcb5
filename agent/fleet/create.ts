import type { Config } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { createFileLock } from './file-lock.ts';
import type { FleetLock } from './lock.ts';

/** The lock that the configuration names; null where there is none. */
export function createLock({ pool, lock }: Config, ports: { readonly clock: Clock }): FleetLock | null {
  if (pool === null || lock === null) return null;
  return createFileLock(lock.path, pool.name, ports);
}
