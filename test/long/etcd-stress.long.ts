import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { findEtcd, startEtcd, type Etcd } from '../support/etcd.ts';
import { seeded } from '../support/fuzz.ts';
import { stressLock } from '../support/lock-stress.ts';
import { runs, SEED } from '../support/long.ts';
import { skipped } from '../support/skip.ts';

const found = await findEtcd();
let etcd: Etcd | undefined;
beforeAll(async () => {
  if ('program' in found) etcd = await startEtcd(found.program);
});
afterAll(() => etcd?.close());

test('The lock by etcd gives 3 slots to 20 nodes while etcd itself is killed, and stands still, again and again', async () => {
  if (etcd === undefined) return skipped('missing' in found ? found.missing : 'etcd did not start');
  await etcd.put('/lastcall/app/epoch', 'of-the-test');
  const random = seeded(SEED);
  const over = new AbortController();
  const troubling = trouble(etcd, random, over.signal);
  const report = await stressLock(etcd, 'app', { nodes: 20, slots: 3, rounds: runs(2000), random });
  over.abort();
  const troubles = await troubling;
  process.stderr.write(`\nstress of the lock by etcd: ${JSON.stringify({ ...report, troubles })}\n`);
  expect(report.mostHeld).toBe(3);
  expect(report.mostInside).toBeLessThanOrEqual(3);
  expect(troubles).toBeGreaterThan(2);
});

/** Ends with etcd running. @returns how often it was killed, or stood still */
async function trouble(etcd: Etcd, random: () => number, over: AbortSignal): Promise<number> {
  let troubles = 0;
  while (!over.aborted) {
    await sleep(3_000 + random() * 5_000);
    troubles += 1;
    if (random() < 0.5) {
      etcd.signal('SIGSTOP');
      await sleep(random() * 4_000);
      etcd.signal('SIGCONT');
    } else {
      await etcd.kill();
      await sleep(random() * 4_000);
      await etcd.start();
    }
  }
  return troubles;
}
