import { expect, test } from '@jest/globals';
import { createHandover } from '../../agent/journal/handover.ts';
import type { LoadedRecord } from '../../agent/journal/journal.ts';
import { never } from '../support/outcome.ts';

const on = (loaded: LoadedRecord, save: () => Promise<void> = () => Promise.resolve()) => {
  let loads = 0;
  const journal = createHandover({
    load: () => {
      loads += 1;
      return Promise.resolve(loaded);
    },
    save,
  });
  return { journal, loads: () => loads };
};

test('The second reader is given what the first has read, and then what it has saved, without the disk', async () => {
  const { journal, loads } = on({ kind: 'record', record: { count: 1 } });
  expect(await journal.load(never)).toEqual({ kind: 'record', record: { count: 1 } });
  expect(await journal.load(never)).toEqual({ kind: 'record', record: { count: 1 } });
  await journal.save({ count: 2 });
  expect(await journal.load(never)).toEqual({ kind: 'record', record: { count: 2 } });
  expect(loads()).toBe(1);
});

test('What could not be believed was reported to the first reader; the second has nothing', async () => {
  const { journal } = on({ kind: 'quarantined', reason: 'cut', movedTo: '/x.bad-1' });
  expect((await journal.load(never)).kind).toBe('quarantined');
  expect(await journal.load(never)).toEqual({ kind: 'none' });
});

test('It is behind from a save that failed until one that did not', async () => {
  let isFull = true;
  const { journal } = on({ kind: 'none' }, () =>
    isFull ? Promise.reject(new Error('full')) : Promise.resolve(),
  );
  expect(journal.isBehind).toBe(false);
  await expect(journal.save({ count: 1 })).rejects.toThrow('full');
  expect(journal.isBehind).toBe(true);
  isFull = false;
  await journal.save({ count: 2 });
  expect(journal.isBehind).toBe(false);
});
