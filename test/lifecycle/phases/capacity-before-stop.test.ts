import { describe, expect, test } from '@jest/globals';
import { step } from '../../../agent/lifecycle/step.ts';
import type { Relative } from '../../../agent/lifecycle/model/survey.ts';
import { scene, type Scene } from '../../support/world/scene.ts';
import { down, inDrain, inMaint, onceSaid, sibling, stand, waiting } from '../../support/world/siblings.ts';
import { adminsWritten } from '../../support/world/writes.ts';

/** The capacity guard on the way out, sentence by sentence (INVARIANTS.md#other-promises). */

describe('Before the fence and the stop', () => {
  test('too few others in the last moment: it is never fenced', () => {
    const it = waiting();
    stand(it, down('app2'));
    it.site.users.length = 0;
    it.time.advance(20_000);
    expect(adminsWritten(it)).toEqual(['drain', 'ready']);
  });

  test('behind the fence it yields to none in DRAIN', () => {
    const it = scene();
    onceSaid(it, 'maint', inDrain('app0'));
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test.each([
    [1, 'fencing', 'maint'],
    [2, 'draining', 'drain'],
  ] as const)('while MAINT is refused or late, %i polls with too few others: %s', (polls, phase, level) => {
    const it = scene();
    it.ask('stop');
    it.reach('fencing');
    const { state } = it.sidecar;
    const { lb1 } = state.balancers;
    const { outing } = state;
    if (!lb1?.look || !outing) throw new Error('nothing was seen');
    const capacity = [{ name: 'app/app1', role: 'active', usableOthers: 0, usableBackups: 0 }] as const;
    const seen = { ...lb1, look: { ...lb1.look, capacity }, startedAt: state.epochStartedAt };
    const before = {
      ...state,
      saved: state.intentSave,
      balancers: { lb1: seen },
      outing: { ...outing, capacity: { ...outing.capacity, shortLooks: { lb1: polls } } },
    };
    const [after] = step(it.policy, before, { type: 'tick', at: it.time.now });
    expect(after).toMatchObject({ phase, outing: { level } });
  });

  test.each([
    ['dies', down('app2')],
    ['is fenced', inMaint('app2')],
  ])('where the last other one %s behind the fence, the application is not stopped', (_how, other) => {
    const it = scene();
    onceSaid(it, 'maint', other);
    const id = it.ask('stop');
    it.reach('fencing');
    it.time.advance(3_000);
    expect(it.site.app.alive).toBe(true);
    expect(it.admin()).toBe('ready');
    expect(adminsWritten(it)).toEqual(['drain', 'maint', 'drain', 'ready']);
    stand(it, sibling('app2'));
    expect(it.result(id)).toBeUndefined();
  });

  test('a node that was drained before is not stopped either, and stays drained', () => {
    const it = scene();
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'done', phase: 'drained' });
    stand(it, down('app2'));
    it.time.advance(60_000);
    expect(it.admin()).toBe('maint');
    const result = it.ended(it.ask('stop'));
    expect(result).toMatchObject({ code: 'guard', phase: 'drained' });
    expect(result.message).toContain('the node stays drained');
    expect(it.site.app.alive).toBe(true);
    it.time.advance(10_000);
    expect(it.admin()).toBe('maint');
    expect(it.ended(it.ask('stop', { force: true, reason: 'last one out' }))).toMatchObject({ code: 'done' });
    expect(it.site.app.alive).toBe(false);
  });
});

describe('A node that was left in DRAIN', () => {
  test('is not fenced for a stop either, and stays as it was', () => {
    const it = scene();
    expect(it.ended(it.ask('drain', { fence: false }))).toMatchObject({ code: 'done', phase: 'drained' });
    stand(it, down('app2'));
    it.time.advance(60_000);
    const result = it.ended(it.ask('stop'));
    expect(result).toMatchObject({ code: 'guard', phase: 'drained' });
    it.time.advance(10_000);
    expect(adminsWritten(it)).toEqual(['drain']);
    expect(it.sidecar.state.phase).toBe('drained');
    stand(it, sibling('app2'));
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done' });
  });
});

describe('More than one balancer', () => {
  const two = [
    { name: 'lb1', servers: ['app/app1'], counts: true, seesOldWorkers: true },
    { name: 'lb2', servers: ['app/app1'], counts: true, seesOldWorkers: true },
  ];
  const second = (it: Scene): Scene => ({ ...it, lb: it.site.balancer('lb2') });

  test('too few at one of them: what was found is put back at both', () => {
    const it = scene({ balancers: two });
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(3_000);
    stand(second(it), down('app2'));
    it.time.advance(1_500);
    expect(it.site.balancers.map((lb) => lb.server('app/app1').admin)).toEqual(['ready', 'ready']);
    expect(it.result(id)).toBeUndefined();
  });

  test('one that cannot be asked pauses the fence', () => {
    const it = scene({ balancers: two, timeoutMs: 60_000 });
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(3_000);
    it.site.balancer('lb2').setMode('refuses');
    it.site.users.length = 0;
    it.time.advance(15_000);
    expect(adminsWritten(it)).toEqual(['drain']);
    it.site.balancer('lb2').setMode('answers');
    expect(it.ended(id)).toMatchObject({ code: 'done' });
  });
});

describe('Who goes over it', () => {
  test('--force, for that operation and for the stop that follows it', () => {
    const it = scene();
    stand(it, down('app2'));
    const drained = it.ended(it.ask('drain', { force: true, reason: 'last one out' }));
    expect(drained).toMatchObject({ code: 'done', phase: 'drained' });
    expect(drained.warnings.join()).toContain('drain.keep is 1; forced');
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('a shutdown, also in the middle of another operation', () => {
    const it = waiting({ supervises: true });
    stand(it, down('app2'));
    it.time.advance(2_000);
    expect(it.admin()).toBe('ready');
    const id = it.ask('stop', { isShutdown: true, by: 'signal', onTimeout: 'force', timeoutMs: 3_000 });
    it.time.advance(500);
    expect(it.admin()).toBe('drain');
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('an application that is gone costs nothing more', () => {
    const it = waiting();
    it.site.die();
    it.time.advance(600);
    stand(it, down('app2'));
    expect(it.ended(it.id)).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(adminsWritten(it)).toEqual(['drain', 'maint']);
  });

  test('keep: 0', () => {
    const it = scene({ keep: 0 });
    stand(it, down('app2'));
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done' });
  });
});

describe('What counts as another', () => {
  const same: Relative = { name: 'app/same', of: 'app/app1', by: 'address', role: 'active', usable: true };

  test.each([
    ['drain', 'done'],
    ['stop', 'guard'],
  ] as const)('one of our own address does for a drain, not for a stop: %s is %s', (kind, code) => {
    const it = scene({ ignoreServers: ['app/same'] }, ({ balancers }) =>
      Object.assign(balancers[0] ?? {}, { others: 2, relatives: [same] }),
    );
    onceSaid(it, 'drain', down('app2'), sibling('same', { by: 'address' }));
    expect(it.ended(it.ask(kind)).code).toBe(code);
  });

  test.each([
    [false, 'guard'],
    [true, 'done'],
  ])('a backup does where keepBackups is %s: %s', (keepBackups, code) => {
    const it = scene({ keepBackups });
    Object.assign(it.lb, { standbys: ['app/spare'] });
    onceSaid(it, 'drain', down('app2'));
    Object.assign(it.lb, { siblings: null });
    const end = it.ended(it.ask('drain'));
    expect(end.code).toBe(code);
  });

  test('our own server that takes no new users costs nothing', () => {
    const it = scene();
    Object.assign(it.lb.server('app/app1'), { up: false });
    it.time.advance(3_000);
    stand(it, down('app2'));
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'done' });
  });
});
