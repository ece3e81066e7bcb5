import type { Config, LockConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import type { Log } from '../system/log-port.ts';
import { createEtcdLock } from './etcd/etcd-lock.ts';
import { createFileLock } from './file-lock.ts';
import type { FleetLock } from './lock.ts';

/** The lock that the configuration names; null where there is none. */
export function createLock(
  { pool, lock }: Config,
  ports: { readonly clock: Clock; readonly log: Log },
): FleetLock | null {
  if (pool === null || lock === null) return null;
  switch (lock.kind) {
    case 'file':
      return createFileLock(lock.path, pool.name, ports);
    case 'etcd':
      return createEtcdLock(lock, pool.name, ports);
  }
}

/** The addresses of the lock, by which a later configuration is known to mean the same one; the endpoints of one cluster may change. */
export function lockAddresses(lock: LockConfig): readonly string[] {
  switch (lock.kind) {
    case 'file':
      return [`file ${lock.path}`];
    case 'etcd':
      return lock.endpoints.map((endpoint) => `etcd ${endpoint}`);
  }
}
