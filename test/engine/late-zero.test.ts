import { expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { createEngine, type Engine } from '../../agent/engine/engine.ts';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import { OWN_TERMS } from '../../agent/lifecycle/model/policy.ts';
import { createScanBudget } from '../../agent/sessions/scan-budget.ts';
import { scanPauseMs, type LastScan } from '../../agent/sessions/scan-pause.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { sleep } from '../../agent/system/clock.ts';
import { emptyBalancer } from '../support/empty-balancer.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryLog } from '../support/memory-log.ts';
import { POLICY } from '../support/world/scene.ts';

const MINUTE = 60_000;
const policy = { ...POLICY, sources: ['stickTable'], userSources: ['stickTable'], appSources: [] };

/** Three entries that end at the same moment, among so many that a scan of them takes its time. */
interface Table {
  readonly scanMs: number;
  /** When the entries end, in milliseconds from the start of the drain. */
  readonly endMs: number;
  /** They end of themselves, as their `exp` tells; else they are cleared. */
  readonly isTold: boolean;
}

/** Counts as the source of a stick table does: each scan takes its time, and the next one waits its pause. */
function sourceOf(clock: ManualClock, { scanMs, isTold }: Table, endAt: () => number) {
  const cadence = createScanBudget();
  const scans: { readonly from: number; readonly to: number }[] = [];
  let lastScan: LastScan | null = null;
  let changedAt = 0;
  const source: Source = {
    name: 'stickTable',
    minPauseMs: (leftMs) => scanPauseMs(cadence, lastScan, leftMs),
    async count(signal) {
      const from = clock.now();
      const left = Math.max(0, endAt() - from);
      const count = left > 0 ? 3 : 0;
      await sleep(clock, scanMs, signal);
      const to = clock.now();
      cadence.spent(scanMs);
      scans.push({ from, to });
      const longestMs = count === 0 ? 0 : isTold ? left : 30 * MINUTE;
      if (lastScan?.count !== count) changedAt = to;
      lastScan = { count, longestMs, tookMs: scanMs, stillMs: to - changedAt };
      return count;
    },
  };
  return { source, scans };
}

/** What a drain of this table came to. */
async function drain(table: Table): Promise<{ beyondQuietMs: number; after: number; busiestShare: number }> {
  const clock = new ManualClock();
  let endAt = Infinity;
  const { source, scans } = sourceOf(clock, table, () => endAt);
  const engine: Engine = createEngine(policy, {
    clock,
    random: () => 0.5,
    log: memoryLog(),
    balancers: [emptyBalancer()],
    sources: [source],
    stopper: null,
    starter: null,
    rebooter: null,
    identify: () => null,
    probing: null,
    gate: null,
    lock: null,
    warners: [],
    journal: { load: () => Promise.resolve({ kind: 'none' }), save: () => Promise.resolve() },
    bootId: 'boot',
    lastRuns: createLastRuns(),
  });
  const move = async (until: () => boolean): Promise<void> => {
    for (let turns = 0; !until() && turns < 20_000; turns += 1) {
      clock.advance(10);
      await turn();
    }
    if (!until()) throw new Error(`still ${engine.status().phase}: ${JSON.stringify(engine.status())}`);
  };
  await engine.start();
  await move(() => scans.length > 0);
  const began = clock.now();
  endAt = began + table.endMs;
  void engine.submit({ ...OWN_TERMS, id: 'd', kind: 'drain', reason: null, by: 'test' });
  await move(() => !['running', undefined].includes(engine.result('d') as string | undefined));
  const now = clock.now();
  await engine.close();
  // Up to the end of the entries: what comes after it is bounded by its number.
  const before = scans.filter(({ from }) => from >= began && from < endAt);
  return {
    beyondQuietMs: now - endAt - policy.quietMs,
    after: scans.filter(({ to }) => to > endAt).length,
    busiestShare: (before.length * table.scanMs) / table.endMs,
  };
}

test.each([
  ['told by exp', { scanMs: 70, endMs: 20_000, isTold: true }],
  ['told by exp, after a long wait', { scanMs: 70, endMs: 2 * MINUTE, isTold: true }],
  ['cleared', { scanMs: 70, endMs: 20_000, isTold: false }],
  ['cleared after a long wait', { scanMs: 70, endMs: 2 * MINUTE + 123, isTold: false }],
  ['told by exp, at a slow HAProxy', { scanMs: 150, endMs: 20_000, isTold: true }],
  ['cleared, at a slow HAProxy', { scanMs: 150, endMs: 20_000, isTold: false }],
])(
  'the last of few entries ends, and the drain at most 1 s after it and the quiet: %s',
  async (_what, table) => {
    const { beyondQuietMs, after, busiestShare } = await drain(table);
    expect(beyondQuietMs).toBeLessThanOrEqual(1_000);
    // One that misses the end, one that finds it, the second; a fifth of the quiet; one under way at the fence, its own.
    expect(after).toBeLessThanOrEqual(5 + policy.quietMs / (5 * table.scanMs));
    // Up to the end: less of the time after a minute, and never a half.
    expect(busiestShare).toBeLessThan(table.endMs > MINUTE ? 0.18 : table.scanMs > 100 ? 0.4 : 0.34);
  },
);
