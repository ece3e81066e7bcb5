import { describe, expect, test } from '@jest/globals';
import { scene } from '../../support/world/scene.ts';

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

  test('in MAINT is no server that a dry run would set', () => {
    const it = scene({ keep: 0 }, ({ balancers }) => balancers[0]?.set('app/app1', 'maint', 'operator'));
    const plan = (terms = {}): string =>
      it.ended(it.ask('drain', { dryRun: true, ...terms })).plan?.[0] ?? '';
    expect(plan()).toBe('leave app/app1 at lb1 in MAINT and count it');
    expect(plan({ force: true, reason: 'mine' })).toBe('set app/app1 at lb1 to DRAIN');
  });

  test('in the middle is left as the operator wants it, and the operation goes on counting', () => {
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
