import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findEtcd, startEtcd, type Etcd } from '../support/etcd.ts';
import { runs, SEED } from '../support/long.ts';
import { stressLock } from '../support/lock-stress.ts';
import { seeded } from '../support/fuzz.ts';
import { skipped } from '../support/skip.ts';

const found = await findEtcd();
if ('missing' in found) test('etcd is here', () => skipped(found.missing));

('missing' in found ? describe.skip : describe)('The lock by etcd under stress', () => {
  let etcd: Etcd;
  beforeAll(async () => {
    if ('program' in found) etcd = await startEtcd(found.program);
  });
  afterAll(() => etcd?.close());

  test('gives 3 slots to 20 nodes, some of which are killed or cut off: never a fourth one, at any revision', async () => {
    await etcd.put('/lastcall/app/epoch', 'of-the-test');
    const rounds = runs(120);
    const report = await stressLock(etcd, 'app', { nodes: 20, slots: 3, rounds, random: seeded(SEED) });
    process.stderr.write(`\nstress of the lock by etcd: ${JSON.stringify(report)}\n`);
    expect(report.mostHeld).toBe(3);
    expect(report.mostInside).toBeLessThanOrEqual(3);
    expect(report.taken).toBeGreaterThanOrEqual(rounds);
    for (const chance of ['killed', 'frozen', 'freed'] as const) expect(report[chance]).toBeGreaterThan(0);
  }, 600_000);
});
