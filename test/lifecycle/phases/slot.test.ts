import { describe, expect, test } from '@jest/globals';
import { POOL, inPool, neighbour, holders, queue, written, asked } from '../../support/world/pool-scene.ts';
import { scene } from '../../support/world/scene.ts';

/** The slot of the node's pool, sentence by sentence (INVARIANTS.md#i5). */

describe('A node of a pool', () => {
  test('holds a slot from before its DRAIN until READY was read back', () => {
    const it = inPool();
    const id = it.ask('drain');
    it.until('its slot', () => holders(it).includes('app1'));
    expect([written(it), it.admin()]).toEqual([[], 'ready']);
    expect(it.ended(id)).toMatchObject({ ok: true, phase: 'drained' });
    it.time.advance(60_000);
    expect(holders(it)).toEqual(['app1']);
    it.ask('ready');
    it.until('the end of it', () => holders(it).length === 0);
    expect([it.admin(), it.sidecar.state.phase, it.sidecar.state.outing]).toEqual(['ready', 'serving', null]);
    it.until('no claim is left', () => it.sidecar.state.slot === null);
  });

  test('takes none while the disk fails: a shutdown goes on without, and a next life knows of no slot to give back', () => {
    const it = inPool({ supervises: true });
    it.time.advance(5_000);
    it.disk.failing = true;
    const id = it.ask('stop', { isShutdown: true, by: 'signal', onTimeout: 'force' });
    expect(it.ended(id).code).toBe('done');
    expect([asked(it).filter((does) => does === 'take'), holders(it)]).toEqual([[], []]);
  });

  test('asks for it when nothing else speaks against the request, and not at all where something does', () => {
    const it = inPool();
    Object.assign(it.lb, { others: 0 });
    expect(it.ended(it.ask('drain')).code).toBe('guard');
    expect(it.ended(it.ask('drain', { dryRun: true })).code).toBe('guard');
    it.time.advance(5_000);
    expect([asked(it), it.sidecar.state.slot]).toEqual([[], null]);
  });

  test('is refused at once where another one is out, and changes nothing', () => {
    const it = inPool();
    neighbour(it);
    const result = it.ended(it.ask('stop'));
    expect(result).toMatchObject({ ok: false, code: 'locked', phase: 'serving' });
    expect(result.message).toMatch(
      /app1: pool app has 1 slot: app2 holds a slot since .*\(restart by cli bob: deploy 41\)/,
    );
    it.time.advance(5_000);
    expect([holders(it), queue(it), written(it), it.sidecar.state.slot]).toEqual([['app2'], [], [], null]);
  });

  test('is refused with `--force` too, and goes on with a warning where it cannot be refused', () => {
    const it = inPool();
    neighbour(it);
    expect(it.ended(it.ask('drain', { force: true, reason: 'now' })).code).toBe('locked');
    const result = it.ended(it.ask('stop', { noRefuse: true }));
    expect(result).toMatchObject({ ok: true, phase: 'stopped' });
    expect(result.warnings.join()).toMatch(/app2 holds a slot.*cannot be refused and goes on/);
    expect(queue(it)).toEqual(['app1']);
  });

  test.each([{ isShutdown: true, by: 'signal' }, { noRefuse: true }])(
    'is forced at its deadline, and never brought back, where the lock fails or is freed in the middle (%p)',
    (who) => {
      for (const fault of ['down', 'freed'] as const) {
        const it = inPool({ supervises: true });
        it.site.visit();
        const id = it.ask('stop', { ...who, onTimeout: 'force', timeoutMs: 30_000 });
        it.reach('draining');
        expect(holders(it)).toEqual(['app1']);
        if (fault === 'down') it.lock.down = 'connection refused';
        else it.lock.free('app1');
        expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped', forced: 1 });
        expect(written(it)).not.toContain('ready');
      }
    },
  );

  test('waits a second for a lock that hangs where it cannot be refused: then its DRAIN comes', () => {
    const it = inPool();
    it.lock.answerMs = 10_000;
    const began = it.time.now;
    const id = it.ask('drain', { noRefuse: true });
    it.until('DRAIN', () => it.admin() === 'drain');
    expect(it.time.now - began).toBeLessThan(1_500);
    expect(it.ended(id).warnings.join()).toMatch(/the lock has not answered.*goes on/);
    it.until('it holds one after all', () => holders(it).includes('app1'));
  });

  test.each([{ isShutdown: true, by: 'signal' }, { noRefuse: true }])(
    'goes on without one, too, where the place of an earlier request is being given back meanwhile (%p)',
    (who) => {
      const it = inPool();
      neighbour(it);
      it.lock.answerMs = 1_500;
      expect(it.ended(it.ask('drain')).code).toBe('locked');
      expect(it.sidecar.state.slot?.asked).toBe('give');
      const began = it.time.now;
      expect(it.ended(it.ask('stop', who))).toMatchObject({ code: 'done', phase: 'stopped' });
      expect(it.time.now - began).toBeLessThan(5_000);
      expect(holders(it)).not.toContain('app1');
    },
  );

  test('is refused where the lock does not answer, and changes nothing', () => {
    const it = inPool();
    it.lock.down = 'connection refused';
    const result = it.ended(it.ask('restart', { waitForSlotMs: 60_000 }));
    expect(result).toMatchObject({ ok: false, code: 'locked', phase: 'serving' });
    expect(result.message).toMatch(/connection refused; nothing was changed/);
    expect(written(it)).toEqual([]);
    it.lock.down = null;
    it.until('what was asked meanwhile is given up', () => it.sidecar.state.slot === null);
    expect([holders(it), queue(it), Object.keys(it.sidecar.state.alarms)]).toEqual([[], [], []]);
  });

  test('gives its slot back where the request is refused after it', () => {
    const it = inPool();
    it.ask('drain');
    it.until('its slot', () => holders(it).includes('app1'));
    it.disk.failing = true;
    it.until('the refusal', () => it.sidecar.results.length > 0);
    expect(it.sidecar.results[0]?.code).toBe('state-write');
    it.until('it is given back', () => holders(it).length === 0);
  });

  test('asks for nothing that the disk does not hold', () => {
    const it = inPool();
    it.disk.failing = true;
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'state-write', phase: 'serving' });
    expect(asked(it)).toEqual([]);
  });
});

describe('A node that does not come back', () => {
  test('keeps its slot, marked with the reason, until `ready` has brought it back', () => {
    const it = inPool();
    it.site.app.start = 'fails';
    expect(it.ended(it.ask('restart')).code).toBe('app-health');
    it.until('it is marked', () => it.lock.view(0).holders[0]?.state === 'failed');
    expect(it.lock.view(0).holders[0]?.failure).toMatch(/^app-health: app1: exit 1/);
    expect(it.ended(it.ask('ready')).code).toBe('app-health');
    expect(it.lock.view(0).holders[0]?.state).toBe('failed');
    it.site.app.start = 'works';
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: true, phase: 'serving' });
    it.until('it is given back', () => holders(it).length === 0);
  });

  test('is marked after a crash, too', () => {
    const it = inPool();
    it.site.app.start = 'fails';
    it.ended(it.ask('restart'));
    it.crash();
    it.until('it is marked', () => it.lock.view(0).holders[0]?.state === 'failed');
    expect(holders(it)).toEqual(['app1']);
  });

  test('brakes those who ask', () => {
    const it = scene({ pool: { ...POOL, slots: 3 } });
    const other = neighbour(it, 'app2', { slots: 3 });
    it.lock.ask({ does: 'mark', claim: other, state: 'failed', failure: 'exit 1' }, it.time.now);
    const result = it.ended(it.ask('drain', { waitForSlotMs: 60_000 }));
    expect(result).toMatchObject({ code: 'braked', phase: 'serving' });
    expect(result.message).toMatch(/`lastcall ready` there releases the others/);
  });
});

test('The brake names five nodes, and how many more there are', () => {
  const it = scene({ pool: { ...POOL, slots: 9, brake: 7 } });
  for (let index = 2; index < 9; index += 1) {
    const other = neighbour(it, `app${index}`, { slots: 9, brake: 7 });
    it.lock.ask({ does: 'mark', claim: other, state: 'failed', failure: 'exit 1' }, it.time.now);
  }
  const { code, message } = it.ended(it.ask('drain'));
  expect(code).toBe('braked');
  expect(message?.match(/did not come back/g)).toHaveLength(5);
  expect(message).toContain('; and 2 more; `lastcall ready` there');
  expect(message).toContain('for one that no longer exists, `lastcall unlock NODE --reason TEXT`');
});

describe('A hold', () => {
  test('takes a slot at its start, and gives it back after its release', () => {
    const it = inPool();
    expect(it.ended(it.ask('hold', { reason: 'disk' })).ok).toBe(true);
    expect(holders(it)).toEqual(['app1']);
    it.ended(it.ask('release'));
    it.until('it is given back', () => holders(it).length === 0);
  });

  test('is refused where another one is out', () => {
    const it = inPool();
    neighbour(it);
    expect(it.ended(it.ask('hold', { reason: 'disk' })).code).toBe('locked');
  });
});
