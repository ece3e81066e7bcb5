import { describe, expect, test } from '@jest/globals';
import { ENOUGH_FOR_MS, LOWER_WAITS_MS } from '../../../agent/lifecycle/phases/capacity.ts';
import { scene, type Scene } from '../../support/world/scene.ts';
import {
  down,
  inDrain,
  inMaint,
  onSet,
  onceSaid,
  sibling,
  stand,
  waiting,
} from '../../support/world/siblings.ts';
import { adminsWritten } from '../../support/world/writes.ts';

/** The capacity guard on the way out, sentence by sentence (INVARIANTS.md#other-promises). */

const surveys = (it: Scene): number =>
  it.effects.filter((effect) => effect.type === 'survey' && effect.scope === 'capacity').length;

describe('Once DRAIN is read back', () => {
  test('too few others end it with 75 guard, and what was found is put back', () => {
    const it = scene();
    onceSaid(it, 'drain', down('app2'));
    const result = it.ended(it.ask('drain'));
    expect(result).toMatchObject({ ok: false, code: 'guard', phase: 'serving' });
    expect(result.message).toMatch(
      /^lb1: app\/app1 leaves 0 other usable servers, and drain\.keep is 1, now that it is in DRAIN; what was found is restored; .*--force --reason$/,
    );
    expect(it.admin()).toBe('ready');
    expect(adminsWritten(it)).toEqual(['drain', 'ready']);
    expect(result.seconds).toBeLessThan(1);
  });

  test('of two that set it at once the higher gives back at once', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app0'));
    const result = it.ended(it.ask('drain'));
    expect(result).toMatchObject({ code: 'guard', phase: 'serving' });
    expect(result.message).toContain('0 other usable servers (app/app0 is in DRAIN), and drain.keep is 1');
    expect(result.seconds).toBeLessThan(1);
  });

  test('the lower waits for the higher to give back, and is done', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app2'));
    const id = it.ask('stop');
    it.reach('draining');
    it.time.advance(LOWER_WAITS_MS - 500);
    expect(it.admin()).toBe('drain');
    stand(it, sibling('app2'));
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(adminsWritten(it)).toEqual(['drain', 'maint']);
  });

  test('the lower waits two seconds and then gives back too', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app2'));
    const result = it.ended(it.ask('drain'));
    expect(result).toMatchObject({ code: 'guard', phase: 'serving' });
    expect(result.seconds).toBeGreaterThanOrEqual(LOWER_WAITS_MS / 1_000);
    expect(result.seconds).toBeLessThan(LOWER_WAITS_MS / 1_000 + 1);
  });

  test('a sibling in MAINT yields to no DRAIN: it gives back at once', () => {
    const it = scene();
    onceSaid(it, 'drain', inMaint('app2'));
    const result = it.ended(it.ask('drain'));
    expect(result).toMatchObject({ code: 'guard' });
    expect(result.seconds).toBeLessThan(1);
  });

  test('and at once when the higher one is fenced while the lower waits', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app2'));
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(700);
    stand(it, inMaint('app2'));
    expect(it.ended(id).seconds).toBeLessThan(1.5);
  });

  test('of three as many give back as have to, the highest of them', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app0'), inDrain('app2'));
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(1_000);
    expect(it.admin()).toBe('drain');
    stand(it, inDrain('app0'), sibling('app2'));
    expect(it.ended(id)).toMatchObject({ code: 'done' });
  });

  test('siblings that cannot be asked for are not waited for', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app2'));
    it.lb.listsSiblings = false;
    const result = it.ended(it.ask('drain'));
    expect(result).toMatchObject({ code: 'guard' });
    expect(result.seconds).toBeLessThan(1);
  });

  test('an unknown number is waited for, and is no leave to go on', () => {
    const it = scene({ timeoutMs: 20_000 });
    onSet(it, 'drain', () => void Object.assign(it.lb, { others: null }));
    const id = it.ask('drain');
    it.time.advance(15_000);
    expect(adminsWritten(it)).toEqual(['drain']);
    stand(it, sibling('app2'));
    expect(it.ended(id)).toMatchObject({ code: 'done' });
  });

  test('where enough are left no look is asked for', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    expect(surveys(it)).toBe(0);
  });
});

describe('While users are waited for', () => {
  test('too few in one look change nothing', () => {
    const it = waiting();
    stand(it, down('app2'));
    let looks = 0;
    const look = it.lb.look.bind(it.lb);
    Object.assign(it.lb, {
      look: (scope: Parameters<typeof look>[0]) => {
        const seen = look(scope);
        if (scope === 'capacity' && (looks += 1) === 1) stand(it, sibling('app2'));
        return seen;
      },
    });
    it.time.advance(3_000);
    expect(looks).toBeGreaterThan(5);
    expect(adminsWritten(it)).toEqual(['drain']);
  });

  test('too few in two looks: what was found is back within a second of the second one, and it goes on', () => {
    const it = waiting();
    stand(it, down('app2'));
    // Two looks of this phase are at most 250 ms and their answers apart.
    it.time.advance(1_500);
    expect(it.admin()).toBe('ready');
    expect(it.result(it.id)).toBeUndefined();
    expect(it.sidecar.state.phase).toBe('draining');
    expect(Object.values(it.sidecar.state.alarms).join()).toContain(
      'drain.keep is 1; what was found is put back',
    );
  });

  test('it sets DRAIN again once enough are usable for five seconds, and is done', () => {
    const it = waiting();
    stand(it, down('app2'));
    it.time.advance(2_000);
    stand(it, sibling('app2'));
    it.time.advance(ENOUGH_FOR_MS - 1_000);
    expect(it.admin()).toBe('ready');
    it.time.advance(2_000);
    expect(it.admin()).toBe('drain');
    expect(it.sidecar.state.alarms['guard']).toBeUndefined();
    it.site.users.length = 0;
    const result = it.ended(it.id);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.warnings.join()).toContain('put back for the time being');
    expect(adminsWritten(it)).toEqual(['drain', 'ready', 'drain', 'maint']);
  });

  test('the five seconds begin anew with each look that shows too few', () => {
    const it = waiting();
    stand(it, down('app2'));
    it.time.advance(2_000);
    for (let times = 0; times < 4; times += 1) {
      stand(it, sibling('app2'));
      it.time.advance(ENOUGH_FOR_MS - 1_500);
      stand(it, down('app2'));
      it.time.advance(500);
    }
    expect(it.admin()).toBe('ready');
    expect(adminsWritten(it)).toEqual(['drain', 'ready']);
  });

  test('DRAIN that is read back short again is put back again, and the operation still goes on', () => {
    const it = waiting();
    stand(it, down('app2'));
    it.time.advance(2_000);
    stand(it, sibling('app2'));
    onceSaid(it, 'drain', down('app2'));
    it.time.advance(ENOUGH_FOR_MS + 2_000);
    expect(adminsWritten(it)).toEqual(['drain', 'ready', 'drain', 'ready']);
    expect(it.result(it.id)).toBeUndefined();
  });

  test.each(['restore', 'hold', 'force'] as const)(
    'at its deadline it ends with 75 guard under %s',
    (onTimeout) => {
      const it = waiting({ timeoutMs: 20_000, onTimeout });
      stand(it, down('app2'));
      const result = it.ended(it.id);
      expect(result).toMatchObject({ ok: false, code: 'guard', phase: 'serving', forced: 0 });
      expect(result.seconds).toBeGreaterThanOrEqual(20);
      expect(it.admin()).toBe('ready');
      expect(it.sidecar.state.alarms['guard']).toBeUndefined();
    },
  );

  test('it can be cancelled, and undone by ready', () => {
    for (const end of [
      (it: Scene) => it.sidecar.post({ type: 'cancel', by: 'test', id: 'stop1' }),
      (it: Scene) => void it.ask('ready'),
    ]) {
      const it = waiting();
      stand(it, down('app2'));
      it.time.advance(2_000);
      end(it);
      expect(it.ended(it.id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
      expect(it.sidecar.state.alarms['guard']).toBeUndefined();
    }
  });

  test('a crash in between leaves it in service', () => {
    const it = waiting();
    stand(it, down('app2'));
    it.time.advance(2_000);
    it.crash();
    it.time.advance(3_000);
    expect(it.sidecar.state.phase).toBe('draining');
    expect(adminsWritten(it)).toEqual(['drain', 'ready']);
    stand(it, sibling('app2'));
    it.site.users.length = 0;
    expect(it.ended(it.id)).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('an unknown number pauses the fence, and puts nothing back', () => {
    const it = waiting();
    Object.assign(it.lb, { others: null });
    it.site.users.length = 0;
    it.time.advance(10_000);
    expect(adminsWritten(it)).toEqual(['drain']);
    stand(it, sibling('app2'));
    expect(it.ended(it.id)).toMatchObject({ code: 'done' });
  });
});
