import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createEtcdLock } from '../../agent/fleet/etcd/etcd-lock.ts';
import type { FleetLock } from '../../agent/fleet/lock.ts';
import { type Clock, realClock } from '../../agent/system/clock.ts';
import { lockContract } from '../contract/fleet-lock.ts';
import { findEtcd, startEtcd, type Etcd } from '../support/etcd.ts';
import { memoryLog } from '../support/memory-log.ts';
import { never } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { skipped } from '../support/skip.ts';

// Debian's etcd is downloaded on the first run.
const found = await findEtcd();

if ('missing' in found)
  describe('a lock by etcd', () => {
    test('is not tested here', () => {
      skipped(found.missing);
      expect(found.missing).not.toBe('');
    });
  });
else {
  const { program } = found;
  let etcd: Etcd;
  beforeAll(async () => {
    etcd = await startEtcd(program);
  });
  afterAll(() => etcd.close());

  lockContract('etcd', async (pool) => {
    const open = (url = etcd.url, clock: Clock = realClock): FleetLock =>
      createEtcdLock({ endpoints: [url], ttlMs: 2000 }, pool, { clock, log: memoryLog() });
    // A pool that is in use for longer than its lease.
    await etcd.put(`/lastcall/${pool}/epoch`, 'of-the-test');
    return {
      open: (clock) => Promise.resolve(open(etcd.url, clock)),
      async abandon(claim) {
        const lock = open();
        await lock.take(claim, never);
        // Of a process that ends no more is known at etcd than that its lease is kept alive no more.
        await lock.close();
      },
      absent: async () => open(`http://127.0.0.1:${await freePort()}`),
      close: () => Promise.resolve(),
    };
  });
}
