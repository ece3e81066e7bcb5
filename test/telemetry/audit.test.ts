import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { chmod, chown, link, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openAudit, withAudit, type Audit } from '../../agent/telemetry/audit.ts';
import type { Service } from '../../agent/engine/service.ts';
import type { OperationKind, Request } from '../../agent/lifecycle/model/api.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryLog, type MemoryLog } from '../support/memory-log.ts';
import { createScriptedService, type ScriptedService } from '../support/scripted-service.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

let dir: TempDir;
let path: string;
let log: MemoryLog;
let audit: Audit;
let inner: ScriptedService;
let service: Service;
beforeEach(async () => {
  dir = await makeTempDir();
  path = join(dir.path, 'app1.log');
  log = memoryLog();
  audit = await openAudit(path, { clock: new ManualClock(), log });
  inner = createScriptedService();
  service = withAudit(inner, audit);
});
afterEach(() => dir.remove());

function request(id: string, kind: OperationKind, more: Partial<Request> = {}): Request {
  const terms = { timeoutMs: null, onTimeout: null, expiresMs: null };
  const plain = { force: false, fence: true, dryRun: false, isShutdown: false };
  return { id, kind, reason: 'deploy 41', by: 'cli alice@host', ...terms, ...plain, ...more };
}

async function chownFile(name: string): Promise<void> {
  await writeFile(name, '');
  await chown(name, 65_534, 65_534);
}

async function chmodFile(name: string): Promise<void> {
  await writeFile(name, '');
  await chmod(name, 0o666);
}

async function lines(): Promise<Record<string, unknown>[]> {
  await audit.flush();
  const text = await readFile(path, 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('The audit log', () => {
  test('has a line for the beginning of an operation and one for its end', async () => {
    await service.submit(request('op1', 'stop', { force: true, timeoutMs: 60_000 }));
    inner.finish('done', { phase: 'stopped', forced: 2, warnings: ['two were forced out'] });
    expect(await lines()).toEqual([
      {
        time: '2026-01-01T00:00:00.000Z',
        event: 'begin',
        id: 'op1',
        operation: 'stop',
        by: 'cli alice@host',
        reason: 'deploy 41',
        force: true,
        timeoutMs: 60_000,
      },
      {
        time: '2026-01-01T00:00:00.000Z',
        event: 'end',
        id: 'op1',
        operation: 'stop',
        code: 'done',
        seconds: 12.3,
        phase: 'stopped',
        forced: 2,
        sessions: { start: 37, last: 0, sources: [{ name: 'http', count: 0, error: null }] },
        warnings: ['two were forced out'],
      },
    ]);
  });

  test('records who joined, who was refused and why, and who cancelled', async () => {
    await service.submit(request('op1', 'drain'));
    await service.submit(request('op2', 'drain', { by: 'cli bob@host' }));
    await service.submit(request('op3', 'stop', { by: 'schedule', dryRun: true }));
    service.cancel('op1', 'cli carol@host');
    inner.finish('cancelled', { message: 'cancelled by cli carol@host' });
    expect(await lines()).toMatchObject([
      { event: 'begin', id: 'op1', by: 'cli alice@host' },
      { event: 'join', id: 'op2', joins: 'op1', operation: 'drain', by: 'cli bob@host' },
      { event: 'refused', id: 'op3', by: 'schedule', dryRun: true },
      { event: 'end', id: 'op3', code: 'busy', message: expect.stringContaining('is running') },
      { event: 'cancel', id: 'op1', by: 'cli carol@host', answer: 'cancelling' },
      { event: 'end', id: 'op1', code: 'cancelled' },
    ]);
  });

  test('has one line for a caller who joined, and one end for all of them', async () => {
    await service.submit(request('op1', 'drain'));
    await service.submit(request('op2', 'drain', { fence: false }));
    await service.submit(request('op3', 'drain', { timeoutMs: 60_000 }));
    inner.finish('done');
    const told = (await lines()).map(({ event, id, joins }) => [event, id, joins]);
    expect(told).toEqual([
      ['begin', 'op1', undefined],
      ['join', 'op2', 'op1'],
      ['join', 'op3', 'op1'],
      ['end', 'op1', undefined],
    ]);
  });

  test('has operations that no request here has asked for: of a sidecar before, or of the application itself', async () => {
    await inner.submit(request('op1', 'drain', { by: 'app' }));
    inner.finish('done');
    expect(await lines()).toMatchObject([
      { event: 'begin', id: 'op1', by: 'app', reason: 'deploy 41' },
      { event: 'end', id: 'op1' },
    ]);
    await inner.submit(request('op2', 'stop'));
    // The resuming sidecar comes when the one before is dead.
    await audit.flush();
    const later = await openAudit(path, { clock: new ManualClock(), log });
    withAudit(inner, later);
    inner.show('recovering', 3);
    await later.flush();
    expect((await lines()).slice(2)).toMatchObject([
      { event: 'begin', id: 'op2' },
      { event: 'resume', id: 'op2', operation: 'stop', by: 'cli alice@host' },
    ]);
  });

  test('keeps a line a line, whatever a caller claims to be', async () => {
    await service.submit(request('op1', 'drain', { by: 'me\n{"event":"end"}', reason: 'a\u2028b' }));
    expect(await lines()).toMatchObject([{ by: 'me\n{"event":"end"}', reason: 'a\u2028b' }]);
  });

  test('that cannot be written is an alarm with the record in it, and stops nothing', async () => {
    await rm(path);
    await mkdir(path);
    expect(await service.submit(request('op1', 'drain'))).toMatchObject({ accepted: true });
    await audit.flush();
    expect(log.records).toMatchObject([
      {
        level: 'error',
        message: expect.stringContaining('audit log could not be written'),
        fields: { path, record: expect.stringContaining('"op1"') },
      },
    ]);
    await rm(path, { recursive: true });
    inner.finish('done');
    expect(await lines()).toMatchObject([{ event: 'end', id: 'op1' }]);
  });

  test.each<[string, (outside: string) => Promise<unknown>, string]>([
    ['a link to a file of root', (outside) => symlink(outside, path), 'is a symbolic link'],
    ['a file of another user', async () => chownFile(path), 'it belongs to uid 65534'],
    ['a file that every user may write to', async () => chmodFile(path), 'every user may write to it'],
    ['a directory', () => mkdir(path), 'EISDIR'],
    ['another name of a file of root', (outside) => link(outside, path), 'it has 2 names (hard links)'],
    ['a pipe', async () => void execFileSync('mkfifo', [path]), 'is not a regular file'],
    ['a device', () => symlink('/dev/full', path), 'is a symbolic link'],
  ])('is refused where %s stands in its place, at the start and later', async (_what, make, why) => {
    if (process.getuid?.() !== 0) return skipped('only root may give a file away');
    const outside = join(dir.path, 'outside');
    await writeFile(outside, 'root', { mode: 0o600 });
    await rm(path);
    await make(outside);
    await expect(openAudit(path, { clock: new ManualClock(), log })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining(why),
      target: path,
    });
    audit.write('begin', { id: 'op1' });
    await audit.flush();
    expect(log.records).toMatchObject([{ level: 'error', message: expect.stringContaining(why) }]);
    expect(await readFile(outside, 'utf8')).toBe('root');
  });

  test('has nothing of a request that was not even answered', async () => {
    inner.failNext(new LastcallError('failed', 'no'));
    await expect(service.submit(request('op1', 'drain'))).rejects.toThrow('no');
    await service.submit(request('op2', 'drain'));
    expect(await lines()).toMatchObject([{ id: 'op2' }]);
  });
});
