import { describe, expect, test } from '@jest/globals';
import { scene } from '../../support/world/scene.ts';

const MINUTE = 60_000;

describe('Users whom a hash alone binds', () => {
  const hashed = (policy: object = {}) =>
    scene(policy, ({ balancers }) => Object.assign(balancers[0] ?? {}, { hashed: 'balance source' }));

  test.each(['drain', 'stop', 'restart'] as const)('refuse a %s before the first write', (kind) => {
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

  test('are a warning of a forced operation, and of one that cannot be refused, with their number', () => {
    for (const terms of [{ force: true, reason: 'we know' }, { isShutdown: true }]) {
      const it = hashed();
      it.site.visit();
      const id = it.ask('stop', terms);
      it.time.advance(10_000);
      it.site.leave();
      const { code, warnings } = it.ended(id);
      expect(code).toBe('done');
      expect(warnings.join()).toMatch(/made the hash anew: the sessions of 1 user of this node were at risk/);
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
