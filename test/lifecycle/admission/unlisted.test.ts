import { describe, expect, test } from '@jest/globals';
import { readRecord } from '../../../agent/lifecycle/recovery/read-record.ts';
import { recordOf } from '../../../agent/lifecycle/model/write-record.ts';
import { type Scene, scene } from '../../support/world/scene.ts';

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

  test('that its process serves at another port is named by that, over a kill -9 too', () => {
    const it = scene({}, ({ balancers }) =>
      Object.assign(balancers[0] ?? {}, {
        relatives: [
          {
            name: 'ws/ws1',
            of: 'app/app1',
            by: 'address',
            servedAt: 'port 8081',
            role: 'active',
            usable: true,
          },
        ],
      }),
    );
    const SAID = 'ws/ws1 is served by the process of app/app1, at port 8081: it is this application too';
    expect(it.ended(it.ask('drain')).warnings.join()).toContain(SAID);
    it.crash();
    it.reach('drained');
    const refusal = it.ended(it.ask('stop'));
    expect(refusal).toMatchObject({ code: 'unlisted', phase: 'drained' });
    expect(refusal.message).toContain(SAID);
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

  test('that comes with a reload is in the result once', () => {
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
