import { describe, expect, test } from '@jest/globals';
import { scene } from '../../support/world/scene.ts';
import { adminsWritten, server, shown } from '../../support/world/writes.ts';

/** What HAProxy does to a server meanwhile: no operator's hand, and nothing of it is left behind. */

const MINUTE = 60_000;

const DNS = { admin: 'maint', by: 'resolution' } as const;

const TRACKED = { admin: 'maint', by: 'tracked' } as const;

const TRACKED_DRAIN = { admin: 'drain', by: 'tracked' } as const;

describe.each([
  ['DNS', DNS, 'does not resolve'],
  ['a tracked server in MAINT', TRACKED, 'by a tracked server'],
] as const)('MAINT by %s', (_who, over, words) => {
  test('over our DRAIN leaves nothing behind: it is waited for, and fenced', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(MINUTE);
    server(it).over = over;
    it.time.advance(MINUTE);
    expect(shown(it)).toMatchObject({ admin: 'maint', owner: 'config' });
    server(it).over = null;
    it.time.advance(MINUTE);
    expect(shown(it)).toMatchObject({ admin: 'drain', owner: 'lastcall' });
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.result(id)?.warnings.join()).toContain(words);
    expect(adminsWritten(it)).toEqual(['drain', 'maint']);
    expect(it.admin()).toBe('maint');
    const back = it.ask('ready');
    expect(it.ended(back)).toMatchObject({ code: 'done' });
    expect(it.admin()).toBe('ready');
  });

  test('at the end of a drain is no fence: MAINT is set under it', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    server(it).over = over;
    it.time.advance(MINUTE);
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
    server(it).over = null;
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(shown(it)).toMatchObject({ admin: 'maint', owner: 'lastcall' });
  });

  test('over our MAINT comes and goes without a write', () => {
    const it = scene();
    expect(it.ended(it.ask('drain')).code).toBe('done');
    const before = adminsWritten(it);
    server(it).over = over;
    it.time.advance(MINUTE);
    it.crash();
    server(it).over = null;
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(adminsWritten(it)).toEqual(before);
  });

  test('on the way back does not keep our state there: ready names what keeps it out, and later it is in', () => {
    const it = scene();
    expect(it.ended(it.ask('drain')).code).toBe('done');
    server(it).over = over;
    const id = it.ask('ready');
    expect(it.ended(id)).toMatchObject({ code: 'held' });
    expect(it.result(id)?.message).toContain(words);
    server(it).over = null;
    expect(it.admin()).toBe('ready');
    expect(it.sidecar.state.phase).toBe('serving');
  });

  test('is still ours under it after a crash', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(1_000);
    server(it).over = over;
    it.time.advance(1_000);
    it.crash();
    it.time.advance(1_000);
    server(it).over = null;
    it.time.advance(1_000);
    expect(shown(it)).toMatchObject({ admin: 'drain', owner: 'lastcall' });
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
  });

  test('hides no operator’s hand: the operator’s MAINT under it stays', () => {
    const it = scene();
    it.site.visit();
    it.ask('drain');
    it.reach('draining');
    it.time.advance(1_000);
    server(it).over = over;
    it.lb.set('app/app1', 'maint', 'operator');
    it.time.advance(MINUTE);
    server(it).over = null;
    it.time.advance(MINUTE);
    it.site.leave();
    it.time.advance(MINUTE);
    const back = it.ask('ready');
    expect(it.ended(back)).toMatchObject({ code: 'held' });
    expect(it.admin()).toBe('maint');
  });
});

test('a state under a MAINT by DNS is read back by what is set, and is no failure', () => {
  const it = scene();
  it.site.visit();
  it.ask('drain');
  it.reach('draining');
  it.time.advance(3_000);
  server(it).over = DNS;
  it.lb.reload(false);
  it.time.advance(MINUTE);
  const own = it.sidecar.state.balancers['lb1']?.servers['app/app1'];
  expect(own).toMatchObject({ inSync: true, write: { error: null, failures: 0 }, possiblyOurs: ['drain'] });
  expect(it.effects.filter(({ type }) => type === 'set-server')).toHaveLength(2);
});

test('DRAIN of a tracked server that comes over ours ends in a fence all the same', () => {
  const it = scene();
  const id = it.ask('drain');
  it.reach('draining');
  server(it).over = TRACKED_DRAIN;
  expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
  server(it).over = null;
  it.time.advance(MINUTE);
  expect(it.admin()).toBe('maint');
});

describe('A server that an operator holds in DRAIN', () => {
  test.each(['restore', 'force'] as const)(
    'is open: no server is drained, and nothing is stopped, behind it (%s)',
    (onTimeout) => {
      const it = scene();
      expect(it.ended(it.ask('drain')).code).toBe('done');
      it.lb.set('app/app1', 'drain', 'operator');
      it.time.advance(MINUTE);
      expect(it.sidecar.state.phase).not.toBe('drained');
      const id = it.ask('stop', { timeoutMs: 5 * MINUTE, onTimeout });
      expect(it.ended(id)).toMatchObject({ code: 'held' });
      expect(it.site.app.alive).toBe(true);
      expect(it.admin()).toBe('drain');
    },
  );

  test.each([
    ['', null],
    [' under a MAINT by DNS', DNS],
  ])('between MAINT and the second look is no fence%s', (_where, over) => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain', { timeoutMs: 5 * MINUTE });
    it.reach('draining');
    it.time.advance(3_000);
    it.site.leave();
    it.reach('fencing');
    while (it.admin() !== 'maint') it.time.advance(1);
    it.lb.set('app/app1', 'drain', 'operator');
    server(it).over = over;
    expect(it.ended(id)).toMatchObject({ code: 'held' });
    expect(it.admin()).toBe('drain');
  });

  test('is fenced as soon as its owner has ended it', () => {
    const it = scene();
    expect(it.ended(it.ask('drain')).code).toBe('done');
    it.lb.set('app/app1', 'drain', 'operator');
    it.time.advance(MINUTE);
    it.lb.set('app/app1', 'ready', 'operator');
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(it.admin()).toBe('maint');
  });
});

describe('A MAINT by DNS over our fence that hides a reload', () => {
  test('is no fence after a crash in the middle of a stop: DRAIN comes before MAINT', () => {
    const it = scene();
    it.ask('stop');
    it.reach('stopping');
    it.sidecar.crash();
    it.lb.reload(false);
    server(it).over = DNS;
    it.site.visit();
    it.time.advance(200);
    it.sidecar.boot();
    const before = adminsWritten(it).length;
    it.time.advance(3_000);
    expect(adminsWritten(it)[before]).toBe('drain');
  });
});
