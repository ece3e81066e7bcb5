import { afterEach, describe, expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { createEngine, type Engine } from '../../agent/engine/engine.ts';
import type { PersistedFile } from '../../agent/engine/state-file.ts';
import type { Journal } from '../../agent/journal/journal.ts';
import type { Request, Result } from '../../agent/lifecycle/operation.ts';
import { OWN_TERMS } from '../../agent/lifecycle/policy.ts';
import { emptyBalancer } from '../support/empty-balancer.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryLog } from '../support/memory-log.ts';
import { POLICY } from '../support/world/scene.ts';

/** A node that nobody uses: a drain of it goes through by itself. */
const policy = {
  ...POLICY,
  sources: [],
  userSources: [],
  appSources: [],
  quietMs: 0,
  sticky: false,
  hasProbe: false,
};

/** A disk that writes when it is let. */
function createDisk() {
  let file: PersistedFile | null = null;
  const held: { readonly file: PersistedFile; done(): void; fail(): void }[] = [];
  let isHolding = false;
  const journal: Journal = {
    load: () => Promise.resolve(file ? { kind: 'record', record: file } : { kind: 'none' }),
    save: (record) =>
      new Promise((resolve, reject) => {
        const write = {
          file: record as PersistedFile,
          done: () => {
            file = record as PersistedFile;
            resolve();
          },
          fail: () => reject(new Error('the disk is full')),
        };
        if (isHolding) held.push(write);
        else write.done();
      }),
  };
  return {
    journal,
    held,
    file: () => file,
    hold: () => void (isHolding = true),
    /** A process that was killed writes nothing more. */
    crash: () => {
      held.length = 0;
      isHolding = false;
    },
  };
}

let engine: Engine | undefined;
afterEach(() => engine?.close());

async function start(disk: ReturnType<typeof createDisk>) {
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
    identify: () => null,
    probing: null,
    gate: null,
    warners: [],
    journal: disk.journal,
    bootId: 'boot',
  });
  engine = own;
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

describe('A result is on disk before a caller is told of it', () => {
  test('until it is there the operation is running; a crash before that tells nobody a thing that is forgotten', async () => {
    const disk = createDisk();
    const first = await start(disk);
    await first.engine.submit(request('d1'));
    await first.settle();
    expect(first.told).toMatchObject([{ id: 'd1', code: 'done' }]);
    await first.engine.submit(request('r1', { kind: 'ready' }));
    await first.settle();

    // The end of the next one does not get to the disk.
    disk.hold();
    void first.engine.submit(request('d2'));
    await first.settle();
    disk.held.shift()?.done();
    await first.settle();
    expect(first.engine.status().phase).toBe('drained');
    expect(disk.held).not.toEqual([]);
    expect(first.engine.result('d2')).toBe('running');
    expect(first.told.map(({ id }) => id)).not.toContain('d2');
    disk.crash();

    const second = await start(disk);
    await second.settle();
    expect(second.engine.result('d1')).toMatchObject({ id: 'd1', code: 'done' });
    expect(second.engine.result('r1')).toMatchObject({ id: 'r1', code: 'done' });
    // It goes on, and ends under its own id.
    expect(second.engine.result('d2')).toMatchObject({ id: 'd2', code: 'done' });
  });

  test('once it is there it is told, and a sidecar after a crash answers with it', async () => {
    const disk = createDisk();
    const first = await start(disk);
    disk.hold();
    void first.engine.submit(request('d1'));
    await first.settle();
    disk.held.shift()?.done();
    await first.settle();
    expect(first.told).toEqual([]);
    for (const write of disk.held) write.done();
    // Killed in the moment in which it is durable.
    disk.crash();
    const second = await start(disk);
    expect(second.engine.result('d1')).toMatchObject({ id: 'd1', ok: true, phase: 'drained' });
    await first.settle();
    expect(first.told).toMatchObject([{ id: 'd1' }]);
  });

  test('a disk that fails delays nothing, and one that hangs ten seconds', async () => {
    const disk = createDisk();
    const { engine: own, clock, told, settle } = await start(disk);
    disk.hold();
    void own.submit(request('d1'));
    await settle();
    disk.held.shift()?.done();
    await settle();
    clock.advance(9_999);
    await settle();
    expect(told).toEqual([]);
    clock.advance(1);
    await settle();
    expect(told).toMatchObject([{ id: 'd1', code: 'done' }]);

    disk.held.length = 0;
    void own.submit(request('r1', { kind: 'ready' }));
    await settle();
    for (const write of disk.held.splice(0)) write.done();
    await settle();
    for (const write of disk.held.splice(0)) write.fail();
    await settle();
    expect(told).toMatchObject([{ id: 'd1' }, { id: 'r1' }]);
    disk.crash();
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
  test('a refusal is a warning with its code and reason, whoever asked', async () => {
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
