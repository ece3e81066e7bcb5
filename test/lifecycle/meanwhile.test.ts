import { describe, expect, test } from '@jest/globals';
import { statusOf } from '../../agent/lifecycle/report/status.ts';
import type { Scene } from '../support/world/scene.ts';
import { scene } from '../support/world/scene.ts';

/** What HAProxy does to a server meanwhile: no operator's hand, and nothing of it is left behind. */

const MINUTE = 60_000;
const server = (it: Scene) => it.lb.server('app/app1');
/** The words in their order; the same one once more writes nothing where it stands. */
const said = (it: Scene): string[] =>
  it.effects
    .flatMap((effect) => (effect.type === 'set-server' ? [effect.admin] : []))
    .filter((admin, index, all) => admin !== all[index - 1]);
const shown = (it: Scene) => {
  const outlook = { eta: null, etaReason: null, curve: [] };
  const status = statusOf(it.policy, it.sidecar.state, outlook, it.time.now, () => '');
  return status.balancers[0]?.servers[0];
};

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
    expect(said(it)).toEqual(['drain', 'maint']);
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

  test('over our MAINT comes and goes without a word', () => {
    const it = scene();
    expect(it.ended(it.ask('drain')).code).toBe('done');
    const before = said(it);
    server(it).over = over;
    it.time.advance(MINUTE);
    it.crash();
    server(it).over = null;
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(said(it)).toEqual(before);
  });

  test('on the way back does not keep our word there: ready says what keeps it out, and later it is in', () => {
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

  test('hides no operator’s hand: his MAINT under it stays', () => {
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

test('a word under a MAINT by DNS is read back by what is set, and is no failure', () => {
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

describe('A server whose line a reload removes', () => {
  const remove = (it: Scene): void => {
    it.lb.reload(false);
    server(it).absent = true;
  };
  const bringBack = (it: Scene): void => {
    it.lb.reload(false);
    server(it).absent = false;
  };

  test('takes nobody: the drain goes on by what is counted, and ends with a warning that names it', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.time.advance(1_000);
    remove(it);
    it.time.advance(5 * MINUTE);
    expect(it.result(id)).toBeUndefined();
    it.site.leave();
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.balancers[0]?.servers[0]).toMatchObject({ admin: null, connections: 0 });
    expect(result.warnings.filter((text) => text.includes('was removed from HAProxy'))).toHaveLength(1);
    expect(result.warnings.join()).not.toContain('could not be set');
  });

  test('is drained again when a reload brings it back: DRAIN before MAINT', () => {
    const it = scene();
    expect(it.ended(it.ask('drain')).code).toBe('done');
    remove(it);
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(Object.values(it.sidecar.state.alarms).join()).toContain('no users are sent to it by this name');
    bringBack(it);
    it.time.advance(MINUTE);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(said(it)).toEqual(['drain', 'maint', 'drain', 'maint']);
    expect(it.sidecar.state.alarms).toEqual({});
  });

  test('is a clear end for ready, and never an endless return', () => {
    const it = scene();
    expect(it.ended(it.ask('drain')).code).toBe('done');
    remove(it);
    it.time.advance(MINUTE);
    const id = it.ask('ready');
    expect(it.ended(id)).toMatchObject({ code: 'no-such-server', phase: 'serving' });
    expect(it.result(id)?.message).toContain('was removed from HAProxy');
  });

  test('holds nothing back: an operator’s mark goes with it, the drain is done, and ready does not say `held`', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain', { timeoutMs: 5 * MINUTE });
    it.reach('draining');
    it.time.advance(3_000);
    it.lb.set('app/app1', 'maint', 'operator');
    it.time.advance(3_000);
    expect(shown(it)).toMatchObject({ owner: 'operator' });
    remove(it);
    it.time.advance(3_000);
    expect(shown(it)).toMatchObject({ owner: 'none' });
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'no-such-server' });
  });

  test('does not keep a drain from being given up', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain', { timeoutMs: MINUTE, onTimeout: 'restore' });
    it.reach('draining');
    remove(it);
    expect(it.ended(id)).toMatchObject({ code: 'deadline', phase: 'serving' });
  });

  test('is done with a warning for ready, where the others are back', () => {
    const balancers = [
      { name: 'lb1', servers: ['app/app1', 'api/app1'], counts: true, seesOldWorkers: true },
    ];
    const it = scene({ balancers });
    expect(it.ended(it.ask('drain')).code).toBe('done');
    remove(it);
    it.time.advance(MINUTE);
    const back = it.ended(it.ask('ready'));
    expect(back).toMatchObject({ code: 'done' });
    expect(back.warnings.join()).toContain('app/app1 was removed');
    expect(it.admin('api/app1')).toBe('ready');
  });
});

describe('Another program that undoes what we set', () => {
  const undo = (it: Scene, times: number): void => {
    for (let done = 0; done < times; done += 1) {
      it.lb.set('app/app1', 'ready', 'operator');
      it.time.advance(3_000);
    }
  };

  test('is an agent-check, named with its answer after the second time, and as long as it lasts', () => {
    const it = scene();
    server(it).agent = 'L7OK, “via agent : up”';
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(3_000);
    undo(it, 1);
    expect(it.sidecar.state.alarms).toEqual({});
    undo(it, 1);
    expect(Object.values(it.sidecar.state.alarms).join()).toMatch(/agent-check answers.*via agent : up/);
    it.time.advance(5 * MINUTE);
    expect(it.sidecar.state.alarms).toEqual({});
    it.site.leave();
    expect(it.ended(id).warnings.join()).toContain('`disable agent app/app1`');
  });

  test('is an agent-check too, where it may be what holds the server', () => {
    const it = scene();
    server(it).agent = 'CHECKED';
    it.lb.set('app/app1', 'drain', 'operator');
    it.time.advance(5_000);
    for (const kind of ['drain', 'ready'] as const) {
      const { code, message } = it.ended(it.ask(kind));
      expect(code).toBe('held');
      expect(message).toContain('an agent-check answers for it (CHECKED)');
    }
  });

  test('is not blamed for a reload, nor named where no agent-check answers', () => {
    const it = scene();
    it.site.visit();
    it.ask('drain');
    it.reach('draining');
    it.time.advance(3_000);
    undo(it, 3);
    server(it).agent = 'L7OK';
    for (let times = 0; times < 3; times += 1) {
      it.lb.reload(false);
      it.time.advance(3_000);
    }
    expect(it.sidecar.state.alarms).toEqual({});
  });
});

describe('A server that comes out of MAINT as DOWN (`init-state`, 3.1 and later)', () => {
  /** A user slips in before the second look, so MAINT becomes DRAIN once more. */
  const slipIn = (up: boolean): readonly string[] => {
    const it = scene();
    const id = it.ask('drain');
    it.reach('fencing');
    while (it.admin() !== 'maint') it.time.advance(1);
    server(it).up = up;
    server(it).total += 1;
    it.reach('draining');
    const { code, warnings } = it.ended(id);
    expect([code, said(it)]).toEqual(['done', ['drain', 'maint', 'drain', 'maint']]);
    return warnings.filter((text) => text.includes('init-state'));
  };

  test('is told, with what it does to its users and how to end it', () => {
    expect(slipIn(false)).toEqual([
      expect.stringMatching(
        /^lb1: app\/app1 went from MAINT to DRAIN and is DOWN first: .*`init-state down`/,
      ),
    ]);
  });

  test('is told also where a user was counted before MAINT was answered', () => {
    const it = scene();
    const id = it.ask('drain');
    it.reach('fencing');
    while (it.admin() !== 'maint') it.time.advance(0.1);
    expect(it.sidecar.state.balancers['lb1']?.servers['app/app1']?.write.underWay).not.toBeNull();
    const startedAt = it.time.now;
    const [view] = it.lb.look().servers;
    if (!view) throw new Error('no server');
    it.sidecar.post({ type: 'counted', source: 'http', count: 1, startedAt });
    const { epoch, phase } = it.sidecar.state;
    expect(phase).toBe('draining');
    const answer = { type: 'server-set', balancer: 'lb1', server: 'app/app1', startedAt } as const;
    it.sidecar.post({ ...answer, admin: 'maint', view, epoch: epoch - 1 });
    const down = { ...view, admin: 'drain', operational: 'down' } as const;
    it.sidecar.post({ ...answer, admin: 'drain', view: down, epoch });
    expect(it.ended(id).warnings.join()).toMatch(/went from MAINT to DRAIN and is DOWN first/);
  });

  test('is not said of one that is up at once', () => {
    expect(slipIn(true)).toEqual([]);
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
    const before = said(it).length;
    it.time.advance(3_000);
    expect(said(it)[before]).toBe('drain');
  });
});
