import { describe, expect, test } from '@jest/globals';
import { readRecord } from '../../../agent/lifecycle/recovery/read-record.ts';
import { recordOf } from '../../../agent/lifecycle/model/write-record.ts';
import { type Scene, scene } from '../../support/world/scene.ts';

const MINUTE = 60_000;

describe('The capacity guard', () => {
  test('refuses to take the last usable server, and changes nothing', () => {
    const it = scene({}, ({ balancers }) => Object.assign(balancers[0] ?? {}, { others: 0 }));
    expect(it.ended(it.ask('drain'))).toMatchObject({ ok: false, code: 'guard', phase: 'serving' });
    expect(it.effects.some(({ type }) => type === 'set-server' || type === 'persist')).toBe(false);
  });

  test('takes an unknown number for no permission', () => {
    const it = scene({}, ({ balancers }) => Object.assign(balancers[0] ?? {}, { others: null }));
    expect(it.ended(it.ask('drain')).message).toContain(
      'would leave an unknown number of other usable servers',
    );
  });

  test.each([
    ['keep 0', { keep: 0 }, {}],
    ['--force', {}, { force: true, reason: 'we know' }],
  ] as const)('lets %s pass', (_name, policy, terms) => {
    const it = scene(policy, ({ balancers }) => Object.assign(balancers[0] ?? {}, { others: 0 }));
    expect(it.ended(it.ask('drain', terms))).toMatchObject({ code: 'done', phase: 'drained' });
  });

  test('tells a shutdown, which cannot be refused, as a warning', () => {
    const it = scene({}, ({ balancers }) => Object.assign(balancers[0] ?? {}, { others: 0 }));
    const result = it.ended(it.ask('stop', { isShutdown: true }));
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.warnings.join()).toContain('would leave 0 other usable servers');
  });
});

describe('The capacity guard of an active server', () => {
  const standby = ({ balancers }: { balancers: readonly object[] }): void => {
    Object.assign(balancers[0] ?? {}, { others: 0, standbys: ['app/spare'] });
  };

  test('does not count a backup that is up, and names it', () => {
    const result = scene({}, standby);
    const { code, message } = result.ended(result.ask('drain'));
    expect(code).toBe('guard');
    expect(message).toContain('the backup app/spare is up');
  });

  test('counts it where keepBackups says so', () => {
    const it = scene({ keepBackups: true }, standby);
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'done', phase: 'drained' });
  });

  test('does not count one that ends with the application, for a stop', () => {
    const twin = { name: 'app/twin', of: 'app/app1', by: 'address', role: 'active', usable: true } as const;
    const it = scene({ ignoreServers: ['app/twin'] }, ({ balancers }) =>
      Object.assign(balancers[0] ?? {}, { others: 1, relatives: [twin] }),
    );
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'guard', phase: 'serving' });
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'done', phase: 'drained' });
  });
});

describe('Another server of this application', () => {
  const relative = (by: 'track' | 'address') =>
    scene({}, ({ balancers }) =>
      Object.assign(balancers[0] ?? {}, {
        relatives: [{ name: 'ws/app1', of: 'app/app1', by, role: 'active', usable: true }],
      }),
    );

  test.each([
    ['track', 'drain', 'unlisted'],
    ['track', 'stop', 'unlisted'],
    ['track', 'restart', 'unlisted'],
    ['track', 'hold', 'unlisted'],
    ['address', 'drain', 'done'],
    ['address', 'stop', 'unlisted'],
    ['address', 'restart', 'unlisted'],
    ['address', 'hold', 'done'],
  ] as const)('by its %s: %s is %s', (by, kind, code) => {
    const it = relative(by);
    expect(it.ended(it.ask(kind, { reason: 'test' })).code).toBe(code);
    expect(it.effects.some(({ type }) => type === 'set-server')).toBe(code === 'done');
  });

  describe('in MAINT and without a connection, as a disabled slot of a server-template', () => {
    const shut = {
      name: 'ws/app1',
      of: 'app/app1',
      by: 'address',
      role: 'active',
      usable: false,
      isShut: true,
    };

    test('stands against no stop, whose result names it; a drain has nothing to say of it', () => {
      const it = scene({}, ({ balancers }) => Object.assign(balancers[0] ?? {}, { relatives: [shut] }));
      const drained = it.ended(it.ask('drain'));
      expect([drained.code, drained.warnings.join()]).toEqual(['done', '']);
      const stopped = it.ended(it.ask('stop'));
      expect(stopped.code).toBe('done');
      expect(stopped.warnings.join()).toContain('ws/app1 has the address of app/app1: in MAINT and without');
    });

    test('is asked for again before the stop of a node that is out: an operator may have opened it', () => {
      const it = scene({}, ({ balancers }) => Object.assign(balancers[0] ?? {}, { relatives: [shut] }));
      it.ended(it.ask('drain'));
      Object.assign(it.lb, { relatives: [{ ...shut, usable: true, isShut: false }] });
      expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'unlisted', phase: 'drained' });
    });

    test('refuses all the same where it tracks ours: it goes to READY with it', () => {
      const relatives = [{ ...shut, by: 'track' }];
      const it = scene({}, ({ balancers }) => Object.assign(balancers[0] ?? {}, { relatives }));
      expect(it.ended(it.ask('drain')).code).toBe('unlisted');
    });
  });

  test.each([
    ['--force', { force: true, reason: 'we know' }],
    ['a shutdown, which cannot be refused', { isShutdown: true }],
  ])('is a warning for %s', (_who, terms) => {
    const it = relative('track');
    const result = it.ended(it.ask('stop', terms));
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.warnings.join()).toContain('ws/app1 tracks app/app1');
  });

  test('is remembered for a stop of a node that is out, over a kill -9 too', () => {
    const it = relative('address');
    it.ended(it.ask('drain'));
    it.crash();
    it.reach('drained');
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'unlisted', phase: 'drained' });
    expect(it.ended(it.ask('stop', { ignoreServers: ['ws/app1'] })).code).toBe('done');
  });

  test('that comes with a reload is told once in the result', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(1_000);
    it.lb.relatives = [{ name: 'ws/app1', of: 'app/app1', by: 'track', role: 'active', usable: true }];
    it.lb.reload(true);
    it.time.advance(5_000);
    it.site.leave();
    const { code, warnings } = it.ended(id);
    expect(code).toBe('done');
    expect(warnings.filter((text) => text.includes('after a reload'))).toHaveLength(1);
  });

  const TWIN = { name: 'app/node1', of: 'app/app1', by: 'address', role: 'active', usable: true } as const;

  test.each(['drain', 'stop'] as const)('that a reload puts in the place of ours ends a %s', (kind) => {
    const it = scene();
    it.site.visit();
    const id = it.ask(kind);
    it.reach('draining');
    it.time.advance(1_000);
    it.lb.relatives = [TWIN];
    it.lb.server('app/app1').absent = true;
    it.lb.reload(false);
    const { code, phase, message } = it.ended(id);
    expect({ code, phase }).toEqual({ code: 'unlisted', phase: 'serving' });
    expect(message).toContain('app/node1 has the address of app/app1, which HAProxy has no more');
    expect(it.effects.some(({ type }) => type === 'stop')).toBe(false);
  });

  test('with which a drain began is a warning only, also when a reload leaves it alone', () => {
    const it = scene({}, ({ balancers }) => Object.assign(balancers[0] ?? {}, { relatives: [TWIN] }));
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(1_000);
    it.lb.server('app/app1').absent = true;
    it.lb.reload(false);
    it.time.advance(5_000);
    it.site.leave();
    const { code, phase, warnings } = it.ended(id);
    expect({ code, phase }).toEqual({ code: 'done', phase: 'drained' });
    expect(warnings.join()).toContain('app/node1 has the address of app/app1');
  });

  const rename = (it: Scene): void => {
    it.lb.relatives = [TWIN];
    it.lb.server('app/app1').absent = true;
    it.lb.reload(false);
  };

  test('that has the name of ours since a reload is named by the alarm', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    rename(it);
    it.time.advance(5_000);
    expect(Object.values(it.sidecar.state.alarms)).toEqual([
      'lb1: app/app1 was removed from HAProxy by a reload; users are sent to it as app/node1, which is not in `servers`',
    ]);
  });

  test.each([
    ['at once', 0],
    ['later', 5_000],
  ])(
    'that a reload puts in the place of ours while the sidecar is away stands against a stop %s',
    (_when, ms) => {
      const it = scene();
      it.ended(it.ask('drain'));
      it.time.advance(1_000);
      it.crash({}, () => rename(it));
      it.time.advance(ms);
      expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'unlisted', phase: 'drained' });
      expect(it.ended(it.ask('stop', { force: true, reason: 'we know' })).code).toBe('done');
    },
  );

  test('that a reload puts in the place of ours while the sidecar is away ends a stop that waits', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.time.advance(1_000);
    it.crash({}, () => rename(it));
    expect(it.ended(id)).toMatchObject({ code: 'unlisted', phase: 'serving' });
    expect(it.effects.some(({ type }) => type === 'stop')).toBe(false);
  });

  test('that a reload puts in the place of ours while a stop of a node that is out is checked ends that stop', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    it.time.advance(1_000);
    it.lb.listMs = 1_000;
    const id = it.ask('stop');
    rename(it);
    it.sidecar.post({ type: 'polled', balancer: 'lb1', look: it.lb.look(), startedAt: it.time.now });
    expect(it.ended(id)).toMatchObject({ code: 'unlisted' });
    expect(it.effects.some(({ type }) => type === 'stop')).toBe(false);
  });

  test('is asked for by the next sidecar where this one is killed between the look that shows a reload and the answer', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    // So long as the list is not answered, the reload is no news to the worker in the record.
    rename(it);
    it.until('the reload is seen', () => it.sidecar.state.balancers['lb1']?.reloaded !== null);
    const record = recordOf(it.sidecar.state, it.time.now);
    expect(readRecord(JSON.parse(JSON.stringify(record))).record.balancers['lb1']).toMatchObject({
      reloaded: true,
      addresses: { 'app/app1': '10.0.0.1:8080' },
    });
    it.disk.save(JSON.stringify(record), () => undefined);
    it.crash();
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'unlisted', phase: 'drained' });
  });

  test('that a reload puts in the place of ours is a warning where force goes over it', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop', { force: true, reason: 'we know' });
    it.reach('draining');
    it.lb.relatives = [TWIN];
    it.lb.server('app/app1').absent = true;
    it.lb.reload(false);
    it.time.advance(5_000);
    it.site.leave();
    const { code, warnings } = it.ended(id);
    expect(code).toBe('done');
    expect(warnings.join()).toContain('after a reload: lb1: app/node1 has the address of app/app1');
  });

  test('that a reload puts in the place of ours ends no hold', () => {
    const it = scene();
    const id = it.ask('hold', { reason: 'disk swap' });
    it.lb.relatives = [TWIN];
    it.lb.server('app/app1').absent = true;
    it.lb.reload(false);
    expect(it.ended(id).code).toBe('done');
    it.time.advance(5_000);
    expect(it.sidecar.state.hold).not.toBeNull();
  });

  test('that a reload brings while the node is out stands against a stop', () => {
    const it = scene();
    it.ended(it.ask('drain'));
    it.lb.relatives = [{ ...TWIN, name: 'ws/app1' }];
    it.lb.reload(true);
    it.time.advance(5_000);
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'unlisted', phase: 'drained' });
    expect(it.ended(it.ask('stop', { ignoreServers: ['ws/app1'] })).code).toBe('done');
  });
});

describe('Users whom a hash alone binds', () => {
  const hashed = (policy: object = {}) =>
    scene(policy, ({ balancers }) => Object.assign(balancers[0] ?? {}, { hashed: 'balance source' }));

  test.each(['drain', 'stop', 'restart'] as const)('refuse a %s before the first word', (kind) => {
    const it = hashed();
    expect(it.ended(it.ask(kind))).toMatchObject({ code: 'unkeepable', phase: 'serving' });
    expect(it.effects.some(({ type }) => type === 'set-server' || type === 'persist')).toBe(false);
  });

  test('are no objection with sticky: false, nor to a server that takes no users', () => {
    const free = hashed({ sticky: false });
    expect(free.ended(free.ask('stop')).code).toBe('done');
    const out = scene({ sources: [] }, ({ balancers }) => {
      Object.assign(balancers[0] ?? {}, { hashed: 'balance source' });
      balancers[0]?.set('app/app1', 'maint', 'operator');
    });
    expect(out.ended(out.ask('stop')).code).toBe('done');
  });

  test('are told by a forced operation, and by one that cannot be refused, with their number', () => {
    for (const terms of [{ force: true, reason: 'we know' }, { isShutdown: true }]) {
      const it = hashed();
      it.site.visit();
      const id = it.ask('stop', terms);
      it.time.advance(10_000);
      it.site.leave();
      const { code, warnings } = it.ended(id);
      expect(code).toBe('done');
      expect(warnings.join()).toMatch(/made the hash anew: 1 users/);
    }
  });
});

describe('What binds users by the time of the fence', () => {
  const late = (terms: object = {}) => {
    const it = scene({ sources: [] });
    it.site.visit();
    const id = it.ask('stop', terms);
    it.reach('draining');
    it.time.advance(1_000);
    it.lb.sticky = 'stick table app';
    it.site.leave();
    return { it, result: it.ended(id) };
  };

  test('ends a stop that no source counts for, and puts back what was found', () => {
    const { it, result } = late();
    expect(result).toMatchObject({ ok: false, code: 'uncounted', phase: 'serving' });
    expect(result.message).toContain('stick table app');
    expect(it.admin()).toBe('ready');
    expect(it.effects.some((effect) => effect.type === 'set-server' && effect.admin === 'maint')).toBe(false);
  });

  test.each([
    ['--force', { force: true, reason: 'we know' }],
    ['a shutdown', { isShutdown: true }],
  ])('is a warning for %s', (_who, terms) => {
    const { result } = late(terms);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.warnings.join()).toContain('sticky here by now (stick table app)');
  });

  test.each([
    ['a --force that joins', { force: true, reason: 'we know' }],
    ['a shutdown that takes the stop over', { isShutdown: true, by: 'signal' }],
  ])('is a warning for %s while it is asked', (_who, terms) => {
    const it = scene({ sources: [] });
    it.site.visit();
    it.ask('stop');
    it.reach('draining');
    it.time.advance(1_000);
    it.lb.sticky = 'stick table app';
    it.site.leave();
    it.until('it is asked', () => it.sidecar.state.outing?.recheck != null);
    const id = it.ask('stop', terms);
    const result = it.ended(id);
    expect(result.code).toBe('done');
    expect(result.warnings.join()).toContain('sticky here by now (stick table app)');
  });

  test('is asked until it is answered, and an operation still ends at its deadline', () => {
    const it = scene({ sources: [] });
    const id = it.ask('stop', { timeoutMs: MINUTE });
    it.reach('settling');
    it.lb.survey = () => {
      throw new Error('never asked');
    };
    it.lb.setMode('refuses');
    expect(it.ended(id)).toMatchObject({ code: 'deadline' });
  });
});

describe('A weight of 0', () => {
  test('is no hold that ready could end, so nothing is touched', () => {
    const it = scene({}, ({ balancers }) => balancers[0]?.set('app/app1', 'drain', 'operator'));
    Object.assign(it.lb.server('app/app1'), { weight: 0, weightless: true });
    for (const terms of [{}, { force: true, reason: 'mine' }]) {
      const result = it.ended(it.ask('ready', terms));
      expect(result).toMatchObject({ code: 'held', phase: 'serving' });
      expect(result.message).toContain("has weight 0, which is an operator's drain");
    }
    expect(it.ended(it.ask('drain')).message).toContain('has weight 0');
    expect(it.effects.some(({ type }) => type === 'set-server')).toBe(false);
  });
});

describe('Sticky users whom no source counts', () => {
  const sticky = ({ balancers }: { balancers: readonly object[] }): void => {
    Object.assign(balancers[0] ?? {}, { sticky: 'cookie' });
  };

  test.each(['stop', 'restart'] as const)('refuse a %s, with the three ways out', (kind) => {
    const it = scene({ sources: [] }, sticky);
    const result = it.ended(it.ask(kind));
    expect(result).toMatchObject({ ok: false, code: 'uncounted', phase: 'serving' });
    expect(result.message).toContain('users are sticky here (cookie)');
    for (const way of ['sessions:', 'sticky: false', 'drain.quiet']) expect(result.message).toContain(way);
  });

  test.each([
    ['--force', { force: true, reason: 'we know' }],
    ['a shutdown', { isShutdown: true }],
  ])('are a warning for %s', (_who, terms) => {
    const it = scene({ sources: [] }, sticky);
    const result = it.ended(it.ask('stop', terms));
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.warnings.join()).toContain('no source counts them');
  });

  test('are not counted by a source that knows connections only', () => {
    const it = scene({ sources: ['tcp'] }, sticky);
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'uncounted' });
  });

  test.each([
    ['a source', {}],
    ['sticky: false', { sources: [], sticky: false as const }],
    ['a quiet that was set by hand', { sources: [], quietExplicit: true }],
  ])('are no objection with %s', (_way, policy) => {
    const it = scene(policy, sticky);
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('are a warning for a drain, which ends no session', () => {
    const it = scene({ sources: [] }, sticky);
    const result = it.ended(it.ask('drain'));
    expect(result.code).toBe('done');
    expect(result.warnings.join()).toContain('drained means no connections, not no users');
  });

  test('are still an objection for a stop after a drain', () => {
    const it = scene({ sources: [] }, sticky);
    it.ended(it.ask('drain'));
    expect(it.ended(it.ask('stop'))).toMatchObject({ ok: false, code: 'uncounted', phase: 'drained' });
  });
});

describe('A server that an operator holds', () => {
  test('in DRAIN at the start is an objection', () => {
    const it = scene({}, ({ balancers }) => balancers[0]?.set('app/app1', 'drain', 'operator'));
    expect(it.ended(it.ask('stop'))).toMatchObject({ ok: false, code: 'held', phase: 'serving' });
    expect(it.admin()).toBe('drain');
  });

  test('in MAINT at the start is gone around and left as it is', () => {
    const it = scene({ keep: 0 }, ({ balancers }) => balancers[0]?.set('app/app1', 'maint', 'operator'));
    const result = it.ended(it.ask('restart'));
    expect(result).toMatchObject({ code: 'done', phase: 'serving' });
    expect(result.warnings.join()).toContain('left as it is and counted');
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'maint', by: 'operator' });
  });

  test('in the middle is left as he wants it, and the operation goes on counting', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(500);
    it.lb.set('app/app1', 'maint', 'operator');
    it.time.advance(MINUTE);
    expect(it.result(id)).toBeUndefined();
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done' });
    expect(it.ended(it.ask('ready', { force: false })).code).toBe('held');
    expect(it.lb.server('app/app1')).toMatchObject({ admin: 'maint', by: 'operator' });
  });

  test('and let go in the middle is ours again, and comes back', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(500);
    it.lb.set('app/app1', 'maint', 'operator');
    it.time.advance(MINUTE);
    it.lb.set('app/app1', 'ready', 'operator');
    it.time.advance(MINUTE);
    expect(it.admin()).toBe('drain');
    it.cancel();
    expect(it.ended(id).code).toBe('cancelled');
    expect(it.admin()).toBe('ready');
  });

  test('is taken over by --force, and an abort puts back what was found', () => {
    const it = scene({}, ({ balancers }) => balancers[0]?.set('app/app1', 'drain', 'operator'));
    const id = it.ask('drain', { force: true, reason: 'we know' });
    it.site.users.push({ balancer: it.lb, server: it.lb.server('app/app1') });
    it.reach('draining');
    it.time.advance(MINUTE);
    it.cancel();
    expect(it.ended(id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    expect(it.admin()).toBe('drain');
  });

  test('is an objection for ready where all are held, unless it is forced', () => {
    const it = scene({}, ({ balancers }) => balancers[0]?.set('app/app1', 'maint', 'operator'));
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: false, code: 'held' });
    expect(it.ended(it.ask('ready', { force: true, reason: 'ours now' })).code).toBe('done');
    expect(it.admin()).toBe('ready');
  });

  test('is released by ready in direct mode, where the caller is the operator', () => {
    const it = scene({ readyTakesOver: true }, ({ balancers }) =>
      balancers[0]?.set('app/app1', 'maint', 'operator'),
    );
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.admin()).toBe('ready');
  });
});

describe('A balancer that cannot be asked', () => {
  test('refuses an operation before it begins', () => {
    const it = scene({}, ({ balancers }) => balancers[0]?.setMode('refuses'));
    const result = it.ended(it.ask('stop'));
    expect(result).toMatchObject({ ok: false, code: 'balancer-unreachable', message: 'connection refused' });
  });

  test('does not keep a shutdown from ending', () => {
    const it = scene({}, ({ balancers }) => balancers[0]?.setMode('refuses'));
    const result = it.ended(it.ask('stop', { isShutdown: true, onTimeout: 'force', timeoutMs: MINUTE }));
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.warnings).toContain('forced although not every balancer could be asked');
  });

  test('at the end of a cancelled drain leaves ready unanswered as long as nothing is known', () => {
    const it = scene();
    it.site.visit();
    const drain = it.ask('drain');
    it.reach('draining');
    it.time.advance(500);
    it.lb.setMode('refuses');
    const ready = it.ask('ready');
    expect(it.ended(drain).code).toBe('cancelled');
    expect(it.ended(ready)).toMatchObject({ ok: false, code: 'balancer-unreachable', phase: 'returning' });
    it.lb.setMode('answers');
    it.reach('serving');
    expect(it.admin()).toBe('ready');
  });
});

describe('A stop that cannot run', () => {
  test('is refused before anything is changed', () => {
    const it = scene({ hasProbe: false });
    it.site.die();
    it.site.revive();
    it.site.app.alive = false;
    expect(it.ended(it.ask('stop'))).toMatchObject({ ok: false, phase: 'serving' });
    expect(it.effects.some(({ type }) => type === 'set-server')).toBe(false);
  });
});
