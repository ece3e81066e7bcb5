import { expect, test, describe, beforeEach, afterEach } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createJournal } from '../../agent/journal/journal.ts';
import { skipped } from '../support/skip.ts';
import { never } from '../support/outcome.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

let temp: TempDir;
let path: string;
beforeEach(async () => {
  temp = await makeTempDir();
  path = join(temp.path, 'app1.json');
});
afterEach(() => temp.remove());

const open = (node = 'app1') => createJournal(path, { node });

describe('A journal', () => {
  test.each<[string, () => Promise<unknown>, string]>([
    ['belongs to another user', () => chown(path, 65_534, 65_534), 'it belongs to uid 65534'],
    ['every user may write to', () => chmod(path, 0o606), 'every user may write to it'],
    ['its group may write to', () => chmod(path, 0o620), 'its group may write to it'],
    [
      'is longer than any record',
      () => appendFile(path, ' '.repeat(1024 * 1024)),
      'longer than 1048576 bytes',
    ],
  ])('is put aside where the file %s, whatever it says', async (_what, harm, why) => {
    if (process.getuid?.() !== 0) return skipped('only root may give a file away');
    await open().save({ phase: 'drained' });
    await harm();
    expect(await open().load(never)).toMatchObject({
      kind: 'quarantined',
      reason: expect.stringContaining(why),
      movedTo: `${path}.bad-1`,
    });
  });

  test('writes no record that it would not read again', async () => {
    await open().save({ kept: true });
    await expect(open().save({ long: 'x'.repeat(1024 * 1024) })).rejects.toMatchObject({
      code: 'state-write',
    });
    expect(await open().load(never)).toEqual({ kind: 'record', record: { kept: true } });
  });

  test('that was never written has no record, and makes nothing by being read', async () => {
    expect(await open().load(never)).toEqual({ kind: 'none' });
    expect(await readdir(temp.path)).toEqual([]);
  });

  test('gives the newest record back to the next process', async () => {
    const record = {
      op: { id: 'a', at: 1.5, none: null },
      list: ['x\n', 'é', '\ud800'],
      '7': true,
      '1': false,
    };
    await open().save({ old: true });
    await open().save(record);
    expect(await open().load(never)).toEqual({ kind: 'record', record });
  });

  test('is a file of mode 0600 in a directory of mode 0700 that it makes itself', async () => {
    path = join(temp.path, 'var', 'lib', 'app1.json');
    await open().save({});
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(temp.path, 'var'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(temp.path, 'var', 'lib'))).mode & 0o777).toBe(0o700);
  });

  test('keeps the record before the last save beside it, and nothing else', async () => {
    const journal = open();
    for (const count of [1, 2, 3]) await journal.save({ count });
    expect((await readdir(temp.path)).toSorted()).toEqual(['app1.json', 'app1.json.prev']);
    expect(JSON.parse(await readFile(`${path}.prev`, 'utf8'))).toMatchObject({ record: { count: 2 } });
  });

  test('writes only the newest of the saves that wait, and resolves each one only when it is there', async () => {
    const journal = open();
    await journal.save({ count: 0 });
    const seen = await Promise.all(
      [1, 2, 3, 4].map(async (count) => {
        await journal.save({ count });
        return JSON.parse(await readFile(path, 'utf8')) as { record: { count: number } };
      }),
    );
    seen.forEach((file, index) => expect(file.record.count).toBeGreaterThanOrEqual(index + 1));
    expect(JSON.parse(await readFile(`${path}.prev`, 'utf8'))).toMatchObject({ record: { count: 0 } });
  });

  test('takes what a record was at the time of the save, not what it became', async () => {
    const record = { count: 1 };
    const saved = open().save(record);
    record.count = 2;
    await saved;
    expect(await open().load(never)).toEqual({ kind: 'record', record: { count: 1 } });
  });

  test('removes what a crash in the middle of a save has left, and keeps the record', async () => {
    await open().save({ count: 1 });
    await writeFile(`${path}.tmp`, '{"half');
    await writeFile(`${path}.prev.tmp`, 'x');
    expect(await open().load(never)).toEqual({ kind: 'record', record: { count: 1 } });
    expect(await readdir(temp.path)).toEqual(['app1.json']);
  });

  test('does not write through a link that another process put where its temporary file goes', async () => {
    const victim = join(temp.path, 'victim');
    await writeFile(victim, 'untouched');
    await symlink(victim, `${path}.tmp`);
    await open().save({ count: 1 });
    expect(await readFile(victim, 'utf8')).toBe('untouched');
    expect(await open().load(never)).toEqual({ kind: 'record', record: { count: 1 } });
  });

  test('is whole and no older than the last acknowledged save after kill -9 at any moment', async () => {
    const program = fileURLToPath(new URL('../../dist/test/fixtures/journal-writer.js', import.meta.url));
    let before = 0;
    for (const saves of [1, 7, 20, 45]) {
      const writer = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      const exit = once(writer, 'exit');
      let acknowledged = 0;
      for await (const line of createInterface({ input: writer.stdout })) {
        acknowledged = Number(line);
        if (acknowledged === saves) writer.kill('SIGKILL');
      }
      await exit;
      const loaded = await open().load(never);
      expect(loaded).toMatchObject({ kind: 'record' });
      const { count } = (loaded as { record: { count: number } }).record;
      expect(count).toBeGreaterThanOrEqual(acknowledged);
      before = Math.max(before, count);
    }
    expect(before).toBeGreaterThanOrEqual(45);
  });
});

describe('Nothing is taken from a state file', () => {
  const spoil: readonly [string, string, (whole: string) => string][] = [
    ['that is empty', 'empty', () => ''],
    ['that is filled with NUL bytes', 'NUL', (whole) => '\0'.repeat(whole.length)],
    ['that is cut', 'cut', (whole) => whole.slice(0, -20)],
    ['that ends in NUL bytes', 'cut', (whole) => `${whole.slice(0, 50)}${'\0'.repeat(30)}`],
    ['that is no object', 'cut', () => '17'],
    ['with a changed record', 'checksum', (whole) => whole.replace('"drain"', '"ready"')],
    ['of another schema', 'schema', (whole) => whole.replace('"schema":1', '"schema":2')],
    ['of another node', 'node', (whole) => whole.replace('"app1"', '"app2"')],
    ['of another program', 'schema is missing', () => '{"version":3,"sessions":[]}'],
  ];
  test.each(spoil)('%s: it is moved aside', async (_title, reason, spoiled) => {
    const journal = open();
    await journal.save({ kind: 'drain' });
    await journal.save({ kind: 'drain' });
    const bad = spoiled(await readFile(path, 'utf8'));
    await writeFile(path, bad);

    const loaded = await open().load(never);
    expect(loaded).toMatchObject({ kind: 'quarantined', movedTo: `${path}.bad-1` });
    expect(loaded).toHaveProperty('reason', expect.stringContaining(reason));
    expect(await readFile(`${path}.bad-1`, 'utf8')).toBe(bad);
    await open().save({ kind: 'new' });
    expect(await open().load(never)).toEqual({ kind: 'record', record: { kind: 'new' } });
  });

  test('of another node: a sidecar that was renamed reads nothing of its predecessor', async () => {
    await open('app2').save({ kind: 'drain' });
    expect(await open('app1').load(never)).toHaveProperty(
      'reason',
      expect.stringContaining('"app2", not to app1'),
    );
  });

  test('that is a directory or a link, even to a whole record', async () => {
    await mkdir(path);
    expect(await open().load(never)).toMatchObject({ kind: 'quarantined', movedTo: `${path}.bad-1` });
    await open().save({ kind: 'drain' });
    await rename(path, join(temp.path, 'elsewhere'));
    await symlink(join(temp.path, 'elsewhere'), path);
    expect(await open().load(never)).toMatchObject({ kind: 'quarantined', movedTo: `${path}.bad-2` });
    expect((await stat(join(temp.path, 'elsewhere'))).isFile()).toBe(true);
  });

  test('that is gone while the record before it is there', async () => {
    const journal = open();
    await journal.save({ count: 1 });
    await journal.save({ count: 2 });
    await rm(path);
    const loaded = await open().load(never);
    expect(loaded).toMatchObject({ kind: 'quarantined', movedTo: `${path}.bad-1` });
    expect(await readdir(temp.path)).toEqual(['app1.json.bad-1']);
  });
});
