import { describe, expect, test } from '@jest/globals';
import type { Phase } from '../../../agent/lifecycle/model/api.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import { type Scene, scene } from '../../support/world/scene.ts';
import type { SimSite } from '../../support/world/site.ts';

const MINUTE = 60_000;

describe('After a reboot of the machine', () => {
  /** As the first sidecar of the next boot finds it. @param starts the machine starts the application too */
  function rebooted(kind: 'stop' | 'restart', phase: Phase, starts = false): Scene & { id: string } {
    const it = scene();
    if (phase === 'draining') it.site.visit();
    const id = it.ask(kind, { timeoutMs: 10 * MINUTE });
    it.reach(phase);
    while (it.sidecar.state.saved < it.sidecar.state.intentSave) it.time.advance(1);
    it.sidecar.crash();
    const record = JSON.parse(it.disk.content ?? 'null') as StateRecord;
    it.site.die();
    if (starts) it.site.revive();
    it.time.advance(2_000);
    it.sidecar.boot({ record, fresh: false, sameBoot: false });
    return { ...it, id };
  }

  test.each(['draining', 'drained'] as const)(
    'in the middle of a stop (%s): it is gone, and so are its users',
    (phase) => {
      const it = rebooted('stop', phase);
      expect(it.ended(it.id)).toMatchObject({ code: 'done', phase: 'stopped', forced: 0 });
      // Its process number may belong to any process now.
      expect(it.effects.filter(({ type }) => type === 'stop')).toEqual([]);
      expect(it.admin()).toBe('maint');
    },
  );

  test('in the middle of a stop, with an application that was started again: that process is stopped', () => {
    const it = rebooted('stop', 'draining', true);
    expect(it.ended(it.id)).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(it.effects.filter(({ type }) => type === 'stop')).toMatchObject([{ proof: { pid: 1001 } }]);
    expect(it.site.app.alive).toBe(false);
  });

  test('in the middle of a restart: it is started and comes back', () => {
    const it = rebooted('restart', 'draining');
    expect(it.ended(it.id)).toMatchObject({ code: 'done', phase: 'serving' });
    expect(it.site.app.alive).toBe(true);
  });

  test('the time that was left at the last save is what remains', () => {
    const it = scene({ hasProbe: false });
    it.site.visit();
    const id = it.ask('drain', { timeoutMs: 10 * MINUTE });
    it.reach('draining');
    it.time.advance(4 * MINUTE);
    it.sidecar.crash();
    const record = JSON.parse(it.disk.content ?? 'null') as StateRecord;
    it.time.advance(60 * MINUTE);
    it.sidecar.boot({ record, fresh: false, sameBoot: false });
    it.time.advance(9 * MINUTE);
    expect(it.result(id)).toBeUndefined();
    it.time.advance(2 * MINUTE);
    expect(it.result(id)).toMatchObject({ code: 'deadline', phase: 'serving' });
  });
});

test('A record of before an upgrade, without what is new in it, goes on', () => {
  const it = scene();
  it.site.visit();
  const id = it.ask('stop');
  it.reach('draining');
  it.time.advance(500);
  it.sidecar.crash();
  const record = JSON.parse(it.disk.content ?? 'null') as {
    balancers: Record<string, { servers: Record<string, { told?: unknown }> }>;
  };
  delete record.balancers['lb1']?.servers['app/app1']?.told;
  it.sidecar.boot({ record: record as never, fresh: false, sameBoot: true });
  it.time.advance(1_000);
  expect(it.admin()).toBe('drain');
  it.site.leave();
  expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
});

describe('What two nodes of a pool ask of themselves in the same moment', () => {
  const nodes = (before: (site: SimSite) => void): Scene[] =>
    ['app1', 'app2'].map((node) => scene({ node, adopt: true }, before));

  test('has ids of their own when both come back from a MAINT without a record', () => {
    const [one = '', other = ''] = nodes(({ balancers }) =>
      balancers[0]?.set('app/app1', 'maint', 'operator'),
    ).map((it) => {
      it.reach('serving');
      return it.sidecar.results.at(-1)?.id ?? '';
    });
    expect(one).not.toBe('');
    expect(one).not.toBe(other);
  });

  test('has ids of their own when both sign themselves out', () => {
    const [one = '', other = ''] = nodes(() => undefined).map((it) => {
      it.site.visit();
      it.sidecar.probed('up', true);
      it.reach('draining');
      return it.sidecar.state.op?.id ?? '';
    });
    expect(one).not.toBe('');
    expect(one).not.toBe(other);
  });
});
