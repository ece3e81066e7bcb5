import { describe, expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import { createDisk, request, startEngine } from '../support/engine-on-disk.ts';

describe('A result is on disk before a caller gets it', () => {
  test('until it is there the operation is running; after a crash before that a caller gets it once, from the next sidecar', async () => {
    const disk = createDisk();
    const first = await startEngine(disk);
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
    const second = await startEngine(disk);
    await second.settle();
    expect(second.told).toMatchObject([{ id: 'd1', code: 'done', phase: 'drained' }]);
    expect(second.engine.result('d1')).toMatchObject({ id: 'd1', code: 'done' });
    for (const write of unsaved) write.fail();
  });

  test('once it is there its caller gets it, and a sidecar after a crash answers with it', async () => {
    const disk = createDisk();
    const first = await startEngine(disk);
    disk.holdEndOf('d1');
    await first.engine.submit(request('d1'));
    await first.settle();
    // Killed in the moment in which it is durable.
    disk.goOn('done');
    const second = await startEngine(disk);
    expect(second.engine.result('d1')).toMatchObject({ id: 'd1', ok: true, phase: 'drained' });
    await first.settle();
    expect(first.told).toMatchObject([{ id: 'd1' }]);
    expect(first.engine.result('d1')).toMatchObject({ id: 'd1', ok: true });
  });

  test('a disk that fails delays it by nothing, and one that hangs by ten seconds', async () => {
    const disk = createDisk();
    const { engine: own, clock, told, settle } = await startEngine(disk);
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
    const { engine: own, settle } = await startEngine(disk);
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
    const { engine: own, log, settle } = await startEngine(createDisk());
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
  const first = await startEngine(disk, lastRuns);
  lastRuns.note('0 4 * * *', 1);
  await first.engine.submit(request('d1'));
  await first.settle();
  expect(disk.file()?.runs).toEqual({ '0 4 * * *': 1 });
  // SIGHUP, before anything of the next run is on disk.
  lastRuns.note('0 4 * * *', 2);
  await first.engine.close();
  const second = await startEngine(disk, lastRuns);
  await second.settle();
  await second.engine.submit(request('r1', { kind: 'ready' }));
  await second.settle();
  expect(disk.file()?.runs).toEqual({ '0 4 * * *': 2 });
});
