import { describe, expect, test } from '@jest/globals';
import { inPool, neighbour, holders, queue, written } from '../../support/world/pool-scene.ts';
import { type Scene } from '../../support/world/scene.ts';

/** A slot that is lost or given back, and a lock that does not answer (INVARIANTS.md#i5). */

describe('A slot that is lost, or a lock that does not answer', () => {
  const draining = (): Scene & { readonly id: string; readonly user: () => void } => {
    const it = inPool({ timeoutMs: 60_000 });
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.time.advance(1_000);
    return { ...it, id, user: () => it.site.leave() };
  };

  test('gives up in DRAIN within a second, and puts back what was found', () => {
    const it = draining();
    it.lock.free('app1');
    neighbour(it);
    const before = it.time.now;
    it.until('it gives back', () => it.admin() === 'ready');
    expect(it.time.now - before).toBeLessThan(1_000);
    expect(it.ended(it.id)).toMatchObject({ code: 'locked', phase: 'serving' });
    expect(written(it)).not.toContain('maint');
    it.time.advance(5_000);
    expect([holders(it), queue(it), it.sidecar.state.slot]).toEqual([['app2'], [], null]);
  });

  test('gives up within a second during a long quiet, too', () => {
    const it = inPool({ quietMs: 3_600_000 });
    const id = it.ask('stop');
    it.reach('settling');
    it.time.advance(1_000);
    it.lock.free('app1');
    neighbour(it);
    const before = it.time.now;
    it.until('it gives back', () => it.admin() === 'ready');
    expect(it.time.now - before).toBeLessThan(1_000);
    expect(it.ended(id)).toMatchObject({ code: 'locked', phase: 'serving' });
  });

  test('is not fenced before the slot was seen by a look that began after DRAIN was read back', () => {
    const it = draining();
    it.lock.down = 'connection refused';
    it.user();
    it.time.advance(20_000);
    expect([it.admin(), it.sidecar.state.phase]).toEqual(['drain', 'settling']);
    expect(Object.keys(it.sidecar.state.alarms)).toEqual(['lock']);
    it.lock.down = null;
    expect(it.ended(it.id)).toMatchObject({ ok: true, phase: 'stopped' });
    expect(it.sidecar.state.alarms).toEqual({});
  });

  test('puts back what was found at the deadline, and gives the slot back once it can', () => {
    const it = draining();
    it.lock.down = 'connection refused';
    it.user();
    expect(it.ended(it.id)).toMatchObject({ ok: false, phase: 'serving' });
    expect([it.admin(), holders(it)]).toEqual(['ready', ['app1']]);
    it.lock.down = null;
    it.until('it is given back', () => holders(it).length === 0);
  });

  test('does not force over it at the deadline', () => {
    const it = inPool({ timeoutMs: 5_000, onTimeout: 'force' });
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    it.lock.down = 'connection refused';
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'locked', phase: 'serving', forced: 0 });
    expect(result.seconds).toBeLessThan(20);
    expect(written(it)).not.toContain('maint');
  });

  test('does not stop behind the fence before it was read once more', () => {
    const it = inPool();
    const id = it.ask('stop');
    it.reach('fencing');
    it.lock.down = 'connection refused';
    it.time.advance(10_000);
    expect(it.sidecar.state.phase).toBe('drained');
    expect(it.effects.some(({ type }) => type === 'stop')).toBe(false);
    it.lock.down = null;
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'stopped' });
  });

  test('does not stop behind the fence where something else has freed it', () => {
    const it = inPool();
    const id = it.ask('stop');
    it.reach('fencing');
    it.lock.free('app1');
    expect(it.ended(id)).toMatchObject({ code: 'locked', phase: 'serving' });
    expect(it.effects.some(({ type }) => type === 'stop')).toBe(false);
    expect(it.admin()).toBe('ready');
  });

  test('needs no lock on the way back', () => {
    const it = inPool();
    it.ended(it.ask('stop'));
    it.lock.down = 'connection refused';
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
    expect(holders(it)).toEqual(['app1']);
    it.lock.down = null;
    it.until('it is given back', () => holders(it).length === 0);
  });

  test('is claimed anew by a node that stays out', () => {
    const it = inPool();
    it.ended(it.ask('drain'));
    it.lock.free('app1');
    it.time.advance(30_000);
    expect([holders(it), it.admin()]).toEqual([['app1'], 'maint']);
  });
});

describe('A slot that was held when the lock answered last', () => {
  test('is no slot for the next operation while the lock does not answer: refused at once', () => {
    const it = inPool();
    it.ended(it.ask('drain'));
    it.ask('ready');
    it.until('its way back', () => it.sidecar.state.phase === 'returning');
    it.lock.down = 'connection refused';
    it.reach('serving');
    it.time.advance(20_000);
    it.lock.free('app1');
    const since = written(it).length;
    const began = it.time.now;
    expect(it.ended(it.ask('stop')).code).toBe('locked');
    expect([written(it).length, it.time.now - began < 1_000]).toEqual([since, true]);
  });

  test('and was freed and taken by another node is asked for again where the way back has not ended', () => {
    const it = inPool();
    it.ended(it.ask('stop'));
    it.time.advance(15_000);
    it.ask('ready', { timeoutMs: 5_000 });
    it.reach('returning');
    it.site.app.healthy = false;
    it.lb.server('app/app1').up = false;
    it.lock.free('app1');
    neighbour(it);
    it.time.advance(30_000);
    expect([it.sidecar.state.phase, it.sidecar.state.slot?.is]).toEqual(['returning', 'lost']);
    expect(it.ended(it.ask('drain')).code).toBe('locked');
  });
});

test('A node that did not come back, and whose slot was freed before it could say so, asks for one again', () => {
  const it = inPool();
  it.site.app.start = 'fails';
  const id = it.ask('restart');
  it.reach('stopping');
  it.lock.down = 'connection refused';
  it.lock.free('app1');
  expect(it.ended(id)).toMatchObject({ code: 'app-health', phase: 'failed' });
  it.lock.down = null;
  it.time.advance(30_000);
  expect(it.lock.view(0).holders).toMatchObject([{ claim: { node: 'app1' }, state: 'failed' }]);
});

test('A slot that is being given back is none for the next operation, which asks for one of its own', () => {
  const it = inPool();
  it.ended(it.ask('drain'));
  it.ask('ready');
  it.reach('returning');
  it.lock.isSlow = true;
  it.until('it is asked to be given back', () => it.sidecar.state.slot?.asked === 'give');
  const first = it.effects.length;
  expect(it.ended(it.ask('drain'))).toMatchObject({ ok: true });
  const later = it.effects.slice(first);
  const takes = later.findIndex((effect) => effect.type === 'ask-lock' && effect.ask.does === 'take');
  expect(takes).toBeGreaterThan(-1);
  expect(takes).toBeLessThan(later.findIndex((effect) => effect.type === 'set-server'));
});
