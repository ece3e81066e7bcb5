import { describe, expect, test } from '@jest/globals';
import { scene } from '../../support/world/scene.ts';
import { adminsWritten } from '../../support/world/writes.ts';

const MINUTE = 60_000;

describe('A drain', () => {
  test('goes over draining, settling and fencing to drained, and leaves the node in MAINT', () => {
    const it = scene();
    const id = it.ask('drain');
    for (const phase of ['draining', 'settling', 'fencing', 'drained'] as const) it.reach(phase);
    expect(it.ended(id)).toMatchObject({ ok: true, code: 'done', phase: 'drained', forced: 0, warnings: [] });
    expect(adminsWritten(it)).toEqual(['drain', 'maint']);
    expect(it.site.app.alive).toBe(true);
  });

  test('is accepted only when its intent is on disk', () => {
    const it = scene();
    it.ask('drain');
    while (!it.effects.some(({ type }) => type === 'persist')) it.time.advance(0.1);
    expect(it.sidecar.replies).toEqual([]);
    expect(adminsWritten(it)).toEqual([]);
    expect(it.sidecar.state).toMatchObject({ phase: 'serving', op: null, outing: null });
    it.time.advance(50);
    expect(it.sidecar.replies).toMatchObject([{ id: 'drain1', ticket: 'drain1' }]);
    expect(it.disk.content).toContain('drain1');
  });

  test('waits for the users that are there, and takes no new ones', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(5 * MINUTE);
    it.site.visit();
    expect(it.site.users).toHaveLength(1);
    expect(it.sidecar.state.phase).toBe('draining');
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', sessions: { start: 1, last: 0 } });
  });

  test('sets no MAINT where a look has seen a user since zero, while the intent went to disk', () => {
    const it = scene();
    const id = it.ask('drain');
    it.until('the intent to fence is on its way', () => it.sidecar.state.phase === 'fencing');
    const { look, worker } = it.sidecar.state.balancers['lb1'] ?? {};
    const servers = look?.servers.map((view) => ({ ...view, connections: 1 })) ?? [];
    // Begun before the intent, answered after it: an older look than MAINT needs, and a newer one than zero had.
    const startedAt = (it.sidecar.state.balancers['lb1']?.startedAt ?? 0) + 0.05;
    const seen = { servers, worker: worker ?? null, workers: null, unseen: null, uncounted: [] };
    it.sidecar.post({ type: 'polled', balancer: 'lb1', look: seen, startedAt });
    it.until('it drains again', () => it.sidecar.state.phase === 'draining');
    expect(adminsWritten(it)).toEqual(['drain']);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
  });

  test('does not take a source that fails for zero', () => {
    const it = scene();
    it.site.failing.add('http');
    const id = it.ask('drain');
    it.time.advance(10 * MINUTE);
    expect(it.result(id)).toBeUndefined();
    expect(it.sidecar.state.phase).toBe('draining');
    it.site.failing.clear();
    expect(it.ended(id).code).toBe('done');
  });

  test('does not take a balancer that is silent for zero', () => {
    const it = scene();
    const id = it.ask('drain');
    it.reach('draining');
    it.lb.setMode('silent');
    it.time.advance(10 * MINUTE);
    expect(it.result(id)).toBeUndefined();
    it.lb.setMode('answers');
    expect(it.ended(id).code).toBe('done');
  });

  test('goes back to draining when a user comes in before the fence is up', () => {
    const it = scene({ sources: [], sticky: false });
    it.site.visit();
    it.time.advance(2_000);
    const id = it.ask('drain');
    it.reach('fencing');
    it.site.click();
    it.reach('draining');
    expect(it.ended(id).warnings).toEqual([
      'a user came in, or HAProxy was reloaded, before the fence was up; draining goes on',
    ]);
    expect(adminsWritten(it)).toEqual(['drain', 'maint', 'drain', 'maint']);
  });

  test.each([
    ['a user came and went', (it: ReturnType<typeof scene>) => void (it.lb.server('app/app1').total += 1)],
    ['a worker with a state file took over', (it: ReturnType<typeof scene>) => it.lb.reload(true)],
  ])('goes back to draining when %s before the second look', (_what, happens) => {
    const it = scene({ sources: [], sticky: false });
    const id = it.ask('drain');
    it.reach('fencing');
    happens(it);
    it.reach('draining');
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
  });

  test('without a fence ends in DRAIN', () => {
    const it = scene();
    expect(it.ended(it.ask('drain', { fence: false }))).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.admin()).toBe('drain');
    it.ended(it.ask('drain'));
    expect(it.admin()).toBe('maint');
  });

  test('is begun by the application that signs itself out', () => {
    const it = scene();
    it.sidecar.probed('up', true);
    it.reach('drained');
    expect(it.sidecar.results.at(-1)).toMatchObject({ operation: 'drain', code: 'done' });
  });
});

describe('A deadline that is not longer than quiet', () => {
  test('says for how long there was no user, and how long that should have been', () => {
    const it = scene({ quietMs: MINUTE });
    const { message = '' } = it.ended(it.ask('drain', { timeoutMs: MINUTE / 2 }));
    expect(message).toMatch(
      /^the deadline passed with 0 sessions left, and quiet had lasted (?:29|30)\.\d s of 60\.0 s; what was found is restored$/,
    );
  });
});

describe('A deadline of thirty minutes', () => {
  test('restores what was found', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop');
    it.time.advance(29 * MINUTE);
    expect(it.sidecar.state.phase).toBe('draining');
    it.time.advance(2 * MINUTE);
    expect(it.result(id)).toMatchObject({ ok: false, code: 'deadline', phase: 'serving' });
    expect(it.admin()).toBe('ready');
    expect(it.site.app.alive).toBe(true);
  });

  test('holds: the operation ends, the draining goes on', () => {
    const it = scene();
    it.site.visit();
    expect(it.ended(it.ask('stop', { onTimeout: 'hold' }))).toMatchObject({
      code: 'deadline',
      phase: 'draining',
    });
    it.site.leave();
    it.reach('drained');
    expect(it.admin()).toBe('maint');
    expect(it.site.app.alive).toBe(true);
  });

  test.each(['restore', 'hold'] as const)('%s: names who does not tell how many are left', (onTimeout) => {
    const it = scene({ unreachable: 'wait' });
    it.site.failing.add('http');
    const blind = it.ended(it.ask('drain', { onTimeout, timeoutMs: MINUTE }));
    expect(blind.message).toContain('with an unknown number of sessions (http: no answer) left');
    const other = scene({ sources: [] });
    other.site.visit();
    const id = other.ask('drain', { onTimeout, timeoutMs: MINUTE });
    other.reach('draining');
    other.lb.setMode('refuses');
    other.time.advance(2 * MINUTE);
    other.lb.setMode('answers');
    expect(other.ended(id).message).toContain('an unknown number of sessions (lb1: connection refused) left');
  });

  test('forces: fenced, closed, stopped, and the result says how many were cut', () => {
    const it = scene();
    it.site.visit();
    const result = it.ended(it.ask('stop', { onTimeout: 'force' }));
    expect(result).toMatchObject({ ok: true, code: 'done', phase: 'stopped', forced: 1 });
    expect(result.warnings).toContain('the deadline passed: forced with 1 session left');
    expect(it.site.app.alive).toBe(false);
  });

  test('forces no user out unseen: while it is unknown how many are connected, no user has gone', () => {
    const it = scene();
    it.lb.server('app/app1').serving = 3;
    const id = it.ask('drain', { onTimeout: 'force', timeoutMs: MINUTE });
    it.reach('fencing');
    it.lb.seesOldWorkers = false;
    it.time.advance(4_000);
    expect(it.sidecar.state.phase).toBe('fencing');
    it.lb.seesOldWorkers = true;
    expect(it.ended(id)).toMatchObject({ phase: 'drained', closed: { requests: 3 } });
  });

  test('forces at last, with a warning, where the number stays unknown, and has closed the connections that it could', () => {
    const it = scene();
    it.lb.server('app/app1').serving = 3;
    const id = it.ask('drain', { onTimeout: 'force', timeoutMs: MINUTE });
    it.reach('fencing');
    it.lb.seesOldWorkers = false;
    const { phase, closed, warnings } = it.ended(id);
    expect({ phase, closed }).toEqual({ phase: 'drained', closed: { tunnels: 0, requests: 3 } });
    expect(warnings).toContain('connections of app/app1 could not be closed');
  });

  test('closes one after the other, also where the list of connections takes longer than a beat', () => {
    const it = scene();
    it.lb.server('app/app1').serving = 3;
    it.lb.listMs = 3_000;
    const result = it.ended(it.ask('drain', { onTimeout: 'force', timeoutMs: MINUTE }));
    expect(result).toMatchObject({ phase: 'drained', closed: { requests: 3 } });
    expect(it.effects.filter(({ type }) => type === 'close-connections')).toHaveLength(1);
  });

  test('passes at its time, even while nothing answers', () => {
    const it = scene();
    const id = it.ask('drain');
    it.reach('draining');
    const { op } = it.sidecar.state;
    it.lb.setMode('silent');
    it.time.advance((op?.deadline ?? 0) - it.time.now + 1);
    expect(it.sidecar.state.op).toMatchObject({ id, outcome: { code: 'deadline' } });
  });

  test('is another one as soon as a second caller says so', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop');
    it.time.advance(MINUTE);
    it.ask('stop', { timeoutMs: 2 * MINUTE });
    it.time.advance(2 * MINUTE + 1_000);
    expect(it.result(id)).toMatchObject({ code: 'deadline' });
  });
});
