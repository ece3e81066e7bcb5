import { afterEach, describe, expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { createEngine } from '../../agent/engine/engine.ts';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import type { PersistedFile } from '../../agent/engine/state-file.ts';
import type { Journal } from '../../agent/journal/journal.ts';
import type { Request, Result } from '../../agent/lifecycle/model/api.ts';
import { OWN_TERMS } from '../../agent/lifecycle/model/policy.ts';
import { emptyBalancer } from '../support/empty-balancer.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryLog } from '../support/memory-log.ts';
import { POLICY } from '../support/world/scene.ts';

/** A node without users: a drain of it goes through by itself. */
const policy = {
  ...POLICY,
  sources: [],
  userSources: [],
  appSources: [],
  quietMs: 0,
  sticky: false,
  hasProbe: false,
};

interface Write {
  done(): void;
  fail(): void;
}

/** A disk that writes at once, but for files with the result of one operation, which wait for the test. */
function createDisk() {
  let file: PersistedFile | null = null;
  let heldId: string | null = null;
  const held: Write[] = [];
  const isHeld = ({ results = [] }: PersistedFile): boolean => results.some(({ id }) => id === heldId);
  const journal: Journal = {
    load: () => Promise.resolve(file ? { kind: 'record', record: file } : { kind: 'none' }),
    save: (record) =>
      new Promise((resolve, reject) => {
        const written = record as PersistedFile;
        const done = (): void => {
          file = written;
          resolve();
        };
        if (isHeld(written)) held.push({ done, fail: () => reject(new Error('the disk is full')) });
        else done();
      }),
  };
  return {
    journal,
    file: () => file,
    held,
    holdEndOf: (id: string) => void (heldId = id),
    /** What waits gets there, or does not; so does all that comes after it. */
    goOn(how: keyof Write) {
      heldId = null;
      for (const write of held.splice(0)) write[how]();
    },
  };
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function start(disk: ReturnType<typeof createDisk>, lastRuns = createLastRuns()) {
  const clock = new ManualClock();
  const log = memoryLog();
  const own = createEngine(policy, {
    clock,
    random: () => 0.5,
    log,
    balancers: [emptyBalancer()],
    sources: [],
    stopper: null,
    starter: null,
    rebooter: null,
    identify: () => null,
    probing: null,
    gate: null,
    lock: null,
    warners: [],
    journal: disk.journal,
    bootId: 'boot',
    lastRuns,
  });
  cleanups.push(async () => {
    disk.goOn('fail');
    await own.close();
  });
  const told: Result[] = [];
  own.watch({ status: () => undefined, result: (result) => told.push(result) });
  await own.start();
  /** Lets everything happen that happens within a second. */
  const settle = async (): Promise<void> => {
    for (let turns = 0; turns < 100; turns += 1) {
      clock.advance(10);
      await turn();
    }
  };
  return { engine: own, clock, log, told, settle };
}

const request = (id: string, terms: Partial<Request> = {}): Request => ({
  ...OWN_TERMS,
  id,
  kind: 'drain',
  reason: 'why',
  by: 'test',
  ...terms,
});

describe('A result is on disk before a caller gets it', () => {
  test('until it is there the operation is running; after a crash before that a caller gets it once, from the next sidecar', async () => {
    const disk = createDisk();
    const first = await start(disk);
    disk.holdEndOf('d1');
    await first.engine.submit(request('d1'));
    await first.settle();
    expect(first.engine.status()).toMatchObject({ phase: 'drained', operation: null });
    expect(disk.held).not.toEqual([]);
    expect(first.engine.result('d1')).toBe('running');
    expect(first.told).toEqual([]);

    // Killed: what is on disk is the operation, still under way. It goes on, and ends under its own id.
    const unsaved = disk.held.splice(0);
    disk.goOn('done');
    const second = await start(disk);
    await second.settle();
    expect(second.told).toMatchObject([{ id: 'd1', code: 'done', phase: 'drained' }]);
    expect(second.engine.result('d1')).toMatchObject({ id: 'd1', code: 'done' });
    for (const write of unsaved) write.fail();
  });

  test('once it is there its caller gets it, and a sidecar after a crash answers with it', async () => {
    const disk = createDisk();
    const first = await start(disk);
    disk.holdEndOf('d1');
    await first.engine.submit(request('d1'));
    await first.settle();
    // Killed in the moment in which it is durable.
    disk.goOn('done');
    const second = await start(disk);
    expect(second.engine.result('d1')).toMatchObject({ id: 'd1', ok: true, phase: 'drained' });
    await first.settle();
    expect(first.told).toMatchObject([{ id: 'd1' }]);
    expect(first.engine.result('d1')).toMatchObject({ id: 'd1', ok: true });
  });

  test('a disk that fails delays it by nothing, and one that hangs by ten seconds', async () => {
    const disk = createDisk();
    const { engine: own, clock, told, settle } = await start(disk);
    disk.holdEndOf('d1');
    await own.submit(request('d1'));
    await settle();
    clock.advance(8_000);
    await turn();
    expect(told).toEqual([]);
    clock.advance(2_000);
    await settle();
    expect(told).toMatchObject([{ id: 'd1', code: 'done' }]);
    disk.goOn('done');

    disk.holdEndOf('r1');
    await own.submit(request('r1', { kind: 'ready' }));
    await settle();
    expect(told).toHaveLength(1);
    disk.goOn('fail');
    await turn();
    expect(told).toMatchObject([{ id: 'd1' }, { id: 'r1' }]);
  });

  test('the last sixteen are kept', async () => {
    const disk = createDisk();
    const { engine: own, settle } = await start(disk);
    for (let count = 0; count < 20; count += 1) {
      void own.submit(request(`a${count}`));
      await settle();
    }
    expect(disk.file()?.results?.map(({ id }) => id)).toEqual(
      Array.from({ length: 16 }, (_, index) => `a${index + 4}`),
    );
  });
});

describe('The end of an operation is one line of the log', () => {
  test('a refusal is a warning with its code and reason, whatever made the request', async () => {
    const { engine: own, log, settle } = await start(createDisk());
    await own.submit(request('h1', { kind: 'hold' }));
    await settle();
    await own.submit(request('d1'));
    await settle();
    expect(log.records.filter(({ level }) => level === 'warn')).toMatchObject([
      { message: 'drain was refused: held', fields: { id: 'd1', code: 'held', reason: 'why' } },
    ]);
    expect(log.records).toContainEqual(expect.objectContaining({ level: 'info', message: 'hold has ended' }));
  });
});

test('A run of the calendar that was noted before a configuration was read again is in the next record', async () => {
  const disk = createDisk();
  const lastRuns = createLastRuns();
  const first = await start(disk, lastRuns);
  lastRuns.note('0 4 * * *', 1);
  await first.engine.submit(request('d1'));
  await first.settle();
  expect(disk.file()?.runs).toEqual({ '0 4 * * *': 1 });
  // SIGHUP, before anything of the next run is on disk.
  lastRuns.note('0 4 * * *', 2);
  await first.engine.close();
  const second = await start(disk, lastRuns);
  await second.settle();
  await second.engine.submit(request('r1', { kind: 'ready' }));
  await second.settle();
  expect(disk.file()?.runs).toEqual({ '0 4 * * *': 2 });
});
