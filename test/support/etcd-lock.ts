import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { createEtcdLock } from '../../agent/fleet/etcd/etcd-lock.ts';
import type { FleetLock } from '../../agent/fleet/lock.ts';
import type { Claim, PoolView } from '../../agent/lifecycle/model/pool.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { claimOf } from './claim.ts';
import { findEtcd, startEtcd, type Etcd } from './etcd.ts';
import { memoryLog, type MemoryLog } from './memory-log.ts';

/** Locks by etcd, with a real etcd of the test file. */

const TTL_MS = 2000;

export const found = await findEtcd();
export let etcd: Etcd;
export let log: MemoryLog;

export const opened: FleetLock[] = [];

/** One etcd for the tests of a file, empty before each. */
export function useEtcd(): void {
  beforeAll(async () => {
    if ('program' in found) etcd = await startEtcd(found.program);
  });
  afterAll(() => etcd?.close());
  beforeEach(async () => {
    log = memoryLog();
    await use('app');
  });
  afterEach(async () => {
    etcd.signal('SIGCONT');
    for (const lock of opened.splice(0)) await lock.close();
    for (const key of (await etcd.get('/lastcall/')).keys()) await etcd.remove(key);
  });
}

export function open(
  pool = 'app',
  { endpoints = [etcd.url], clock = realClock }: { endpoints?: readonly string[]; clock?: Clock } = {},
): FleetLock {
  const lock = createEtcdLock({ endpoints, ttlMs: TTL_MS }, pool, { clock, log });
  opened.push(lock);
  return lock;
}

/** The pool is in use for longer than a lease. */
export async function use(pool: string): Promise<void> {
  await etcd.put(`/lastcall/${pool}/epoch`, 'of-the-test');
}

export const nodesOf = ({ holders }: PoolView): string[] => holders.map(({ claim: { node } }) => node);

export const queueOf = ({ waiters }: PoolView): string[] => waiters.map(({ claim: { node } }) => node);

export const claim = (node: string, changes: Partial<Claim> = {}): Claim => claimOf('app', node, changes);
