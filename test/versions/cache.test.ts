import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, type Found, Missing, ROOT } from './cache.ts';

let name: string;
let dir: string;
beforeEach(() => {
  name = `test-${randomUUID()}`;
  dir = join(ROOT, 'node_modules', '.cache', name);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const unreachable = (): never => {
  throw new Missing('the mirror does not answer');
};
const ask = (bring: (to: string) => void): Found =>
  cached(name, bring, (at) => readFileSync(join(at, 'program'), 'utf8'));
/** Brings a program of this version. */
const bringing = (version: string) => (to: string) => writeFileSync(join(to, 'program'), version);
const eightDaysLater = (): void => {
  writeFileSync(join(dir, 'brought'), String(Date.now() - 8 * 24 * 60 * 60 * 1000));
};

test('what was brought within a week is used again', () => {
  expect(ask(bringing('3.2.1'))).toEqual({ dir, version: '3.2.1', note: null });
  expect(ask(unreachable)).toEqual({ dir, version: '3.2.1', note: null });
});

test('what is older is brought again, into an empty directory', () => {
  ask(bringing('3.2.1'));
  writeFileSync(join(dir, 'rest'), '');
  eightDaysLater();
  expect(ask(bringing('3.2.2'))).toEqual({ dir, version: '3.2.2', note: null });
  expect(existsSync(join(dir, 'rest'))).toBe(false);
});

test('an old copy is better than none, and named as old', () => {
  ask(bringing('3.2.1'));
  eightDaysLater();
  expect(ask(unreachable)).toEqual({
    dir,
    version: '3.2.1',
    note: 'an old copy is used, since the mirror does not answer',
  });
});

test('nothing is there where nothing could be brought, nor where it was brought by halves', () => {
  expect(() => ask(unreachable)).toThrow('the mirror does not answer');
  const byHalves = (to: string): void => {
    bringing('3.2.1')(to);
    unreachable();
  };
  expect(() => ask(byHalves)).toThrow('the mirror does not answer');
  expect(existsSync(dir)).toBe(false);
  expect(ask(bringing('3.2.2')).version).toBe('3.2.2');
});
