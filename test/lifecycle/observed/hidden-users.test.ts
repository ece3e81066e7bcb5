import { describe, expect, test } from '@jest/globals';
import { doubtAt } from '../../../agent/lifecycle/observed/counts.ts';
import { sameWorker } from '../../../agent/lifecycle/model/observation.ts';
import { scene, type Scene } from '../../support/world/scene.ts';

const MINUTE = 60_000;

/** A node behind a HAProxy whose old workers can neither be seen nor be counted, and that was reloaded just before. */
const young = (reloadGraceMs: number, changes = {}): Scene =>
  scene(
    { reloadGraceMs, sources: [], userSources: [], appSources: [], sticky: false, ...changes },
    ({ balancers }) => {
      for (const balancer of balancers) balancer.uncounted = null;
    },
  );

/** Behind one without a master, in whose past /proc shows this process. */
const beside = (...pids: readonly number[]): Scene =>
  scene({ sources: [], userSources: [], appSources: [], sticky: false }, ({ balancers }) => {
    for (const balancer of balancers) balancer.uncounted = pids;
  });

describe('A reload before the sidecar began, whose old workers cannot be seen', () => {
  test('refuses a stop at once whose deadline comes before the doubt ends, and names the worker', () => {
    const it = young(10 * MINUTE);
    const { code, message } = it.ended(it.ask('stop', { timeoutMs: MINUTE }));
    expect(code).toBe('uncounted');
    expect(message).toMatch(
      /^lb1: workers of before worker 100 .* for \d+ s more, longer than the deadline of 60 s/,
    );
    expect(it.admin()).toBe('ready');
    expect(it.site.app.alive).toBe(true);
  });

  test('keeps connections unknown until the worker is as old as reloadGrace; then it goes on', () => {
    const it = young(2 * MINUTE);
    const before = it.time.now;
    const id = it.ask('stop', { timeoutMs: 5 * MINUTE });
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('draining');
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.warnings.join()).toContain('lb1: workers of before worker 100 cannot be seen');
    expect(it.time.now - before).toBeGreaterThan(1.9 * MINUTE);
    expect(it.time.now - before).toBeLessThan(2.1 * MINUTE);
  });

  test('is still doubted after a restart of the sidecar, which knows of no operation', () => {
    const it = young(10 * MINUTE);
    it.lb.reload(true);
    it.time.advance(3_000);
    it.crash();
    it.time.advance(1_000);
    expect(it.ended(it.ask('stop', { timeoutMs: MINUTE })).code).toBe('uncounted');
  });

  test('is a warning for a drain, for --force, and for a caller that cannot be refused', () => {
    for (const terms of [
      { kind: 'drain' },
      { kind: 'stop', force: true },
      { kind: 'stop', isShutdown: true },
    ] as const) {
      const it = young(10 * MINUTE);
      const { kind, ...rest } = terms;
      const { code, warnings, message } = it.ended(it.ask(kind, { ...rest, timeoutMs: MINUTE }));
      expect(code).toBe('deadline');
      expect(message).toContain('an unknown number of sessions (lb1: workers of before worker 100');
      expect(warnings.join()).toContain('cannot be seen');
      expect(it.site.app.alive).toBe(true);
    }
  });

  test('refuses nothing where the kernel is asked: it may say at any moment that no user is there', () => {
    const it = young(10 * MINUTE, { sources: ['tcp 8080'], kernelSource: 'tcp 8080' });
    expect(it.ended(it.ask('stop', { timeoutMs: MINUTE }))).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('is reported as long as the kernel does not show that no user is there', () => {
    const it = young(10 * MINUTE, { sources: ['tcp 8080'], kernelSource: 'tcp 8080' });
    const doubt = (): unknown => doubtAt(it.policy, it.sidecar.state, 'lb1');
    expect(doubt()).toBeNull();
    it.site.failing.add('tcp 8080');
    it.time.advance(MINUTE);
    expect(doubt()).toMatchObject({ kind: 'young', worker: { pid: 100 } });
  });

  test('is no doubt where the worker is older than reloadGrace, or seen to be alone', () => {
    const old = young(MINUTE);
    old.time.advance(2 * MINUTE);
    const alone = beside();
    for (const it of [old, alone]) {
      const result = it.ended(it.ask('stop', { timeoutMs: 20_000 }));
      expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
      expect(result.warnings.join()).not.toContain('worker');
    }
  });
});

test('`unreachable: ignore` does not do without a balancer whose last look could not show every user', () => {
  const balancers = ['lb1', 'lb2'].map((name) => ({
    name,
    servers: ['app/app1'],
    counts: true,
    seesOldWorkers: true,
  }));
  const it = young(2 * MINUTE, { balancers, unreachable: 'ignore' });
  it.lb.uncounted = [];
  const lb2 = it.site.balancer('lb2');
  const id = it.ask('stop', { timeoutMs: 10 * MINUTE });
  it.reach('draining');
  it.time.advance(1_000);
  lb2.setMode('refuses');
  it.time.advance(MINUTE);
  expect([it.result(id), it.sidecar.state.phase, it.site.app.alive]).toEqual([undefined, 'draining', true]);
  expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped', forced: 0 });
  expect(it.time.now - lb2.bornAt).toBeGreaterThan(2 * MINUTE);
});

describe('An old worker that is seen alive and not counted', () => {
  test('is waited for to its end, however long that takes, and is named', () => {
    const it = beside(99);
    it.time.advance(60 * MINUTE);
    const id = it.ask('stop', { timeoutMs: 30 * MINUTE });
    it.time.advance(20 * MINUTE);
    expect(it.sidecar.state.phase).toBe('draining');
    expect(it.site.app.alive).toBe(true);
    it.lb.uncounted = [];
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped', forced: 0 });
    expect(result.warnings[0]).toMatch(/^lb1: old worker 99 .* still lives/);
  });

  test('is named when the deadline comes first', () => {
    const it = beside(98, 99);
    const { code, message } = it.ended(it.ask('stop', { timeoutMs: MINUTE }));
    expect(code).toBe('deadline');
    expect(message).toContain('lb1: old workers 98, 99 of before a reload still live');
    expect(it.site.app.alive).toBe(true);
    expect(it.admin()).toBe('ready');
  });
});

describe('Another worker of the same pid', () => {
  test('is a reload: a state of ours that a state file brings back is not taken for an operator’s', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    it.time.advance(5_000);
    it.lb.reload(true);
    // A container's HAProxy has the same pid each time, and this one an older state file.
    it.lb.pid -= 1;
    it.lb.set('app/app1', 'drain', 'us');
    it.time.advance(3_000);
    expect(it.sidecar.state.balancers['lb1']?.servers['app/app1']?.foreign).toBeNull();
    const ready = it.ended(it.ask('ready'));
    expect(ready).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });

  test('that answers a write with an older state of ours from a state file, before any look, is a reload', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    it.time.advance(5_000);
    const hold = it.ask('hold', { holdIn: 'maint' });
    it.until('the write', () => it.effects.at(-1)?.type === 'set-server');
    it.lb.reload(true);
    it.lb.pid -= 1;
    it.lb.set('app/app1', 'drain', 'us');
    it.until(
      'its answer',
      () => it.sidecar.state.balancers['lb1']?.servers['app/app1']?.write.underWay === null,
    );
    expect(it.sidecar.state.balancers['lb1']?.servers['app/app1']?.foreign).toBeNull();
    it.ended(hold);
    it.until('MAINT', () => it.admin() === 'maint');
  });

  test('that answers two writes: the second answer is as little an operator’s as the first', () => {
    const two = [{ name: 'lb1', servers: ['app/app1', 'api/app1'], counts: true, seesOldWorkers: true }];
    const it = scene({ balancers: two });
    it.ended(it.ask('drain'));
    it.time.advance(5_000);
    const hold = it.ask('hold', { holdIn: 'maint' });
    it.until('the writes', () => it.effects.at(-1)?.type === 'set-server');
    it.lb.reload(true);
    it.lb.pid -= 1;
    for (const { name } of it.lb.servers) it.lb.set(name, 'drain', 'us');
    const servers = () => Object.values(it.sidecar.state.balancers['lb1']?.servers ?? {});
    it.until('their answers', () => servers().every(({ write }) => write.underWay === null));
    expect(servers().map(({ foreign: held }) => held)).toEqual([null, null]);
    it.ended(hold);
  });

  test('twice within three seconds, the second time with a state file: the MAINT that it brings is ours', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    it.lb.reload(false);
    it.lb.pid -= 1;
    it.time.advance(700);
    expect(it.admin()).toBe('drain');
    it.lb.reload(true);
    it.lb.pid -= 1;
    it.lb.set('app/app1', 'maint', 'us');
    it.time.advance(5_000);
    expect(it.sidecar.state.balancers['lb1']?.servers['app/app1']?.foreign).toBeNull();
    expect(it.sidecar.state.phase).toBe('drained');
  });

  test('is recognised by its birth; a record without one knows the pid alone', () => {
    const worker = { pid: 7, bornAt: 100_000 };
    const recorded = { ...worker, isRecorded: true } as const;
    expect(sameWorker(recorded, { pid: 7, bornAt: 102_500 })).toBe(true);
    expect(sameWorker(recorded, { pid: 7, bornAt: 110_000 })).toBe(false);
    expect(sameWorker(worker, { pid: 7, bornAt: 102_500 })).toBe(false);
    expect(sameWorker(worker, { pid: 8, bornAt: 100_000 })).toBe(false);
    expect(sameWorker(worker, { pid: 7, bornAt: -500_000 })).toBe(true);
    expect(sameWorker({ pid: 7, bornAt: null }, worker)).toBe(true);
    expect(sameWorker({ pid: 8, bornAt: null }, worker)).toBe(false);
  });

  test('a record of the version before is resumed as it was', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    it.time.advance(1_000);
    const text = it.disk.content ?? '';
    expect(text).toContain('"bornAt":1000000');
    it.sidecar.crash();
    it.disk.content = text.replaceAll(/,"bornAt":[^,}]+/g, ',"replacedAt":null');
    it.time.advance(100);
    it.sidecar.boot();
    it.time.advance(3_000);
    expect(it.sidecar.state).toMatchObject({ phase: 'drained', reasserts: { count: 0 } });
    // The pid is all that it knows, so the worker is the one of before.
    expect(it.effects.filter((effect) => effect.type === 'log' && effect.text.includes('replaced'))).toEqual(
      [],
    );
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
  });
});
