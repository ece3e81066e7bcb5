import { describe, expect, test } from '@jest/globals';
import { NO_OWN_REQUEST } from '../../../agent/lifecycle/model/state.ts';
import { step } from '../../../agent/lifecycle/step.ts';
import { scene } from '../../support/world/scene.ts';

const MINUTE = 60_000;

/** The states that were asked of the balancer, one after the other, without repetitions. */
function said({ effects }: ReturnType<typeof scene>): string[] {
  const words = effects.flatMap((effect) => (effect.type === 'set-server' ? [effect.admin] : []));
  return words.filter((word, index) => word !== words[index - 1]);
}

describe('A drain', () => {
  test('goes over draining, settling and fencing to drained, and leaves the node in MAINT', () => {
    const it = scene();
    const id = it.ask('drain');
    for (const phase of ['draining', 'settling', 'fencing', 'drained'] as const) it.reach(phase);
    expect(it.ended(id)).toMatchObject({ ok: true, code: 'done', phase: 'drained', forced: 0, warnings: [] });
    expect(said(it)).toEqual(['drain', 'maint']);
    expect(it.site.app.alive).toBe(true);
  });

  test('is accepted only when its intent is on disk', () => {
    const it = scene();
    it.ask('drain');
    while (!it.effects.some(({ type }) => type === 'persist')) it.time.advance(0.1);
    expect(it.sidecar.replies).toEqual([]);
    expect(said(it)).toEqual([]);
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

  test('says no MAINT where a look has seen a user since zero, while the intent went to disk', () => {
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
    expect(said(it)).toEqual(['drain']);
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
    expect(said(it)).toEqual(['drain', 'maint', 'drain', 'maint']);
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

  test('that was forgotten undoes itself when it expires', () => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    it.time.advance(MINUTE - 1_000);
    expect(it.sidecar.state.phase).toBe('drained');
    it.time.advance(2_000);
    expect(it.sidecar.state.phase).toBe('serving');
    expect(it.admin()).toBe('ready');
  });

  test('that expires holds and alarms as long as the application is not healthy', () => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    it.sidecar.probed('down');
    it.time.advance(2 * MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(Object.keys(it.sidecar.state.alarms)).toEqual(['expiry']);
    it.sidecar.probed('up');
    it.reach('serving');
    expect(it.sidecar.state.alarms).toEqual({});
  });

  test.each(['ready', 'stop'] as const)('whose expiry was held is over, alarm and all, with a %s', (kind) => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    it.sidecar.probed('down');
    it.time.advance(2 * MINUTE);
    expect(Object.keys(it.sidecar.state.alarms)).toEqual(['expiry']);
    const id = it.ask(kind);
    if (kind === 'ready') it.sidecar.probed('up');
    expect(it.ended(id).code).toBe('done');
    expect(it.sidecar.state.alarms).toEqual({});
  });

  test('of a drained node takes the expiry that it asks for', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    expect(it.ended(it.ask('drain', { expiresMs: MINUTE }))).toMatchObject({
      code: 'done',
      phase: 'drained',
    });
    it.reach('serving');
    expect(it.admin()).toBe('ready');
  });

  test('whose return was refused when it expired asks for it at once when it is drained anew', () => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    const refused = { asked: null, failures: 5, retryAt: it.time.now + MINUTE };
    const { state } = it.sidecar;
    const before = {
      ...state,
      phase: 'draining' as const,
      ownRequests: { ...state.ownRequests, expiry: refused },
    };
    const [after] = step(it.policy, before, { type: 'tick', at: it.time.now });
    expect(after.ownRequests.expiry).toEqual(NO_OWN_REQUEST);
    const [waiting] = step(it.policy, { ...before, phase: 'drained' }, { type: 'tick', at: it.time.now });
    expect(waiting.ownRequests.expiry).toEqual(refused);
  });

  test.each(['stop', 'drain'] as const)('keeps its expiry through a %s that the guard refuses', (kind) => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    it.lb.others = 0;
    it.time.advance(5_000);
    const refused = it.ended(it.ask(kind, kind === 'drain' ? { expiresMs: 60 * MINUTE } : {}));
    expect(refused).toMatchObject({ code: 'guard', phase: 'drained' });
    it.time.advance(2 * MINUTE);
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['serving', 'ready']);
  });

  test('of a stopped node says that it does not expire, and it does not', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    const answered = it.ended(it.ask('drain', { expiresMs: MINUTE }));
    expect(answered).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(answered.warnings.join()).toContain('the drain does not expire');
    it.time.advance(5 * MINUTE);
    expect(it.sidecar.state.phase).toBe('stopped');
    expect(it.ended(it.ask('drain')).warnings).toEqual([]);
  });

  test('that has expired stays while the application says that it is out', () => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: MINUTE }));
    it.sidecar.probed('up', true);
    it.time.advance(5 * MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(it.sidecar.state.alarms['expiry']).toContain('signed itself out');
  });

  test('that would expire is refused where no probe could say that the application is well', () => {
    const it = scene({ hasProbe: false });
    const refused = it.ended(it.ask('drain', { expiresMs: MINUTE }));
    expect(refused).toMatchObject({ code: 'config', phase: 'serving' });
    expect(refused.message).toContain('app.probe');
    expect(it.effects.some(({ type }) => type === 'set-server' || type === 'persist')).toBe(false);
  });

  test('is begun by the application that signs itself out', () => {
    const it = scene();
    it.sidecar.probed('up', true);
    it.reach('drained');
    expect(it.sidecar.results.at(-1)).toMatchObject({ operation: 'drain', code: 'done' });
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

  test('forces at last, with a warning, where it stays unknown, and has closed whom it could', () => {
    const it = scene();
    it.lb.server('app/app1').serving = 3;
    const id = it.ask('drain', { onTimeout: 'force', timeoutMs: MINUTE });
    it.reach('fencing');
    it.lb.seesOldWorkers = false;
    const { phase, closed, warnings } = it.ended(id);
    expect({ phase, closed }).toEqual({ phase: 'drained', closed: { tunnels: 0, requests: 3 } });
    expect(warnings).toContain('connections of app/app1 could not be closed');
  });

  test('closes one after the other, also where the list of who is there takes longer than a beat', () => {
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

describe('A stop', () => {
  test('fences, looks again, stops the proven process, and stays in MAINT', () => {
    const it = scene();
    const proof = it.site.proof();
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
    const stops = it.effects.filter((effect) => effect.type === 'stop');
    expect(stops).toMatchObject([{ proof }]);
    expect(said(it)).toEqual(['drain', 'maint']);
  });

  test('that does not work ends 70 and stays fenced', () => {
    const it = scene();
    it.site.app.stop = 'fails';
    expect(it.ended(it.ask('stop'))).toMatchObject({ ok: false, code: 'app-stop', phase: 'failed' });
    expect(it.admin()).toBe('maint');
  });

  test('is forced by a second signal', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop', { isShutdown: true });
    it.reach('draining');
    it.time.advance(1_000);
    it.sidecar.post({ type: 'force-now' });
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped', forced: 1 });
    expect(result.warnings).toContain('hurried: forced with 1 session left');
  });

  test('can be cancelled until it was issued', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.cancel();
    expect(it.ended(id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });

  test('after a forced drain says whose sessions it ends', () => {
    const it = scene();
    it.site.visit();
    it.ended(it.ask('drain', { onTimeout: 'force', timeoutMs: MINUTE }));
    expect(it.ended(it.ask('stop'))).toMatchObject({ phase: 'stopped', forced: 1 });
  });
});

describe('The way back', () => {
  test('starts what is down, waits for its health, and reads back READY and UP', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.effects.filter(({ type }) => type === 'start')).toHaveLength(1);
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'ready', up: true });
  });

  test('of a restart has the whole time again', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('restart', { timeoutMs: 10_000 });
    it.time.advance(7_000);
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving', operation: 'restart' });
  });

  test('whose start fails stays in MAINT, and ready tries again', () => {
    const it = scene();
    it.site.app.start = 'fails';
    expect(it.ended(it.ask('restart'))).toMatchObject({ ok: false, code: 'app-health', phase: 'failed' });
    expect(it.admin()).toBe('maint');
    it.site.app.start = 'works';
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
  });

  test('that is cancelled while the start is under way does not forget the application that it brings', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    const ready = it.ask('ready');
    it.reach('warming');
    while (it.sidecar.state.app.start !== 'sent') it.time.advance(1);
    it.cancel();
    const stop = it.ask('stop');
    expect(it.ended(ready)).toMatchObject({ code: 'cancelled', phase: 'failed' });
    expect(it.ended(stop)).toMatchObject({ code: 'done', phase: 'stopped' });
    it.time.advance(MINUTE);
    expect(it.site.app.alive).toBe(false);
  });

  test('of a restart is told by how many were left at the stop, whoever cannot be asked since', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('restart');
    it.reach('draining');
    it.time.advance(3_000);
    it.site.leave();
    it.reach('stopping');
    it.site.failing.add('http');
    it.reach('warming');
    it.time.advance(12_000);
    expect(it.ended(id)).toMatchObject({ code: 'done', sessions: { start: 1, last: 0 } });
  });

  test('that fails at its deadline leaves a node that can be taken out again', () => {
    const it = scene({ hasProbe: false });
    it.site.app.start = 'unhealthy';
    it.ended(it.ask('stop'));
    // HAProxy's own check has found it down by then.
    it.time.advance(2_000);
    const ready = it.ask('ready', { timeoutMs: MINUTE });
    expect(it.ended(ready)).toMatchObject({ code: 'app-health', phase: 'returning' });
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
  });
});
