import { describe, expect, test } from '@jest/globals';
import { type Scene, scene } from '../../support/world/scene.ts';

// The record says that the application is gone: MAINT over READY waits until this life has seen that (I16).

/** Stopped; then, while no sidecar is there, HAProxy forgets what was set. No pid file names a process. */
function stoppedAndForgotten(changes: Parameters<typeof scene>[0], meanwhile: (it: Scene) => void): Scene {
  const it = scene({ stopIsIdempotent: false, ...changes });
  it.ended(it.ask('stop'));
  it.time.advance(100);
  it.site.failing.add('http');
  it.crash({}, () => {
    // In this world a stop without a pid file proves nothing; here it did.
    const { appUnproven: _, ...proven } = JSON.parse(it.disk.content ?? '{}');
    it.disk.content = JSON.stringify(proven);
    it.lb.reload(false);
    meanwhile(it);
  });
  return it;
}

const written = ({ effects }: Scene, since = 0): string[] =>
  effects.slice(since).flatMap((one) => (one.type === 'set-server' ? [one.admin] : []));

/** Something else starts it, HAProxy's check sees that, and a user comes. */
function startedAndVisited({ site, time }: Scene): void {
  site.revive();
  time.advance(1_100);
  site.visit();
  time.advance(1_600);
}

describe.each([true, false])(
  'A node that was stopped, in a new life of its sidecar (a probe: %s)',
  (hasProbe) => {
    test('keeps the users of an application that was started from outside meanwhile', () => {
      const it = stoppedAndForgotten({ hasProbe }, startedAndVisited);
      expect(it.site.users.length).toBe(1);
      it.time.advance(60_000);
      expect([it.sidecar.state.phase, it.admin()]).toEqual(['stopped', 'drain']);
      expect(it.site.thrownOut).toEqual([]);
    });

    test('is fenced again once it is seen that the application is still gone', () => {
      let since = 0;
      const it = stoppedAndForgotten({ hasProbe }, ({ effects }) => (since = effects.length));
      it.time.advance(10_000);
      expect([it.sidecar.state.phase, it.admin()]).toEqual(['stopped', 'maint']);
      // Probes take their time. Without one the look may be answered before the first write, or after it.
      expect(['drain', hasProbe ? 'drain' : 'maint']).toContain(written(it, since)[0]);
    });

    test('is fenced at once after a later reload: by then it has been seen', () => {
      const it = stoppedAndForgotten({ hasProbe }, () => undefined);
      it.time.advance(10_000);
      const since = it.effects.length;
      it.lb.reload(false);
      it.time.advance(2_000);
      expect(written(it, since)).toEqual(['maint']);
    });

    test('looks again, each time later, as long as something has its port', () => {
      let since = 0;
      const it = stoppedAndForgotten({ hasProbe }, ({ site, effects }) => {
        site.app.left = [4711];
        since = effects.length;
      });
      it.time.advance(60_000);
      const looks = it.effects.slice(since).filter(({ type }) => type === 'look-for-life').length;
      expect([it.admin(), looks]).toEqual(['drain', 6]);
      it.site.app.left = [];
      it.time.advance(30_000);
      expect(it.admin()).toBe('maint');
    });
  },
);

describe('`ready` in a new life of the sidecar', () => {
  test.each([true, false])(
    'starts no second application beside one from outside (a probe: %s)',
    (hasProbe) => {
      let since = 0;
      const it = stoppedAndForgotten({ hasProbe, returnMs: 30_000 }, ({ site, effects }) => {
        // It takes its time, and is not healthy yet.
        site.revive(false);
        since = effects.length;
      });
      const id = it.ask('ready');
      it.time.advance(20_000);
      const starts = (): number => it.effects.slice(since).filter(({ type }) => type === 'start').length;
      expect([it.sidecar.state.phase, starts()]).toEqual(['warming', 0]);
      if (hasProbe) {
        it.site.revive();
        it.sidecar.probed('up');
        expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'serving' });
      } else {
        const { code, message } = it.ended(id);
        expect(code).toBe('app-stop');
        expect(message).toContain('127.0.0.1:80 takes connections');
      }
      expect(starts()).toBe(0);
    },
  );

  test.each([true, false])('starts one that is still gone (a probe: %s)', (hasProbe) => {
    const it = stoppedAndForgotten({ hasProbe }, () => undefined);
    it.site.failing.clear();
    expect(it.ended(it.ask('ready'))).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.site.app.alive).toBe(true);
  });
});

test('A drain that goes on is not over before this life has seen that the application is gone', () => {
  const it = scene({
    stopIsIdempotent: false,
    stopProves: false,
    hasProbe: false,
    quietMs: 0,
    canStop: false,
  });
  it.site.visit();
  it.time.advance(2_000);
  const id = it.ask('drain');
  it.reach('draining');
  it.site.failing.add('http');
  it.site.die();
  it.sidecar.post({ type: 'app-gone', signs: { counts: {}, servers: [], open: [], processes: [] } });
  it.until('it is in the record', () => it.disk.content?.includes('"appGone":true') === true);
  it.crash({}, () => {
    it.lb.reload(false);
    startedAndVisited(it);
  });
  it.time.advance(20_000);
  expect(it.result(id)).toBeUndefined();
  expect(it.sidecar.state.phase).toBe('draining');
  it.site.failing.clear();
  it.time.advance(5_000);
  expect(it.result(id)).toBeUndefined();
  it.site.leave();
  expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
});
