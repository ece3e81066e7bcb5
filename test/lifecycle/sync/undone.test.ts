import { describe, expect, test } from '@jest/globals';
import type { Scene } from '../../support/world/scene.ts';
import { scene } from '../../support/world/scene.ts';
import { adminsWritten, server } from '../../support/world/writes.ts';

/** What HAProxy does to a server meanwhile: no operator's hand, and nothing of it is left behind. */

const MINUTE = 60_000;

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
    expect([code, adminsWritten(it)]).toEqual(['done', ['drain', 'maint', 'drain', 'maint']]);
    return warnings.filter((text) => text.includes('init-state'));
  };

  test('is a warning, with what it does to its users and how to end it', () => {
    expect(slipIn(false)).toEqual([
      expect.stringMatching(
        /^lb1: app\/app1 went from MAINT to DRAIN and is DOWN first: .*`init-state down`/,
      ),
    ]);
  });

  test('is a warning also where a user was counted before MAINT was answered', () => {
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

  test('is no warning for one that is up at once', () => {
    expect(slipIn(true)).toEqual([]);
  });
});
