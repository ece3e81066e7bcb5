import { describe, expect, test } from '@jest/globals';
import type { Examination } from '../../agent/doctor/examination.ts';
import { readout } from '../../agent/doctor/readout.ts';
import { together, unseen, type Sighting } from '../../agent/doctor/trap.ts';
import { systemdMs } from '../../agent/doctor/traps/units.ts';
import { CLEAR, configured, failed, real, sighting } from '../support/judged-reading.ts';

/** As in conditions.test.ts: the traps of the sidecar, its surroundings, and the application's unit. */

describe('The sidecar and its surroundings', () => {
  test('each is a trap where it is, and none where it is not', () => {
    expect(sighting('no-sidecar', { sidecar: failed('none') }).found).toEqual(['none']);
    expect(sighting('no-sidecar', { sidecar: readout({ phase: 'serving' }) })).toEqual(CLEAR);
    expect(sighting('state-rights', { state: 'denied' }).found).toEqual(['denied']);
    expect(sighting('state-rights', { state: null })).toEqual(CLEAR);
    expect(sighting('proxy-environment', { proxies: ['http_proxy'] }).found).toEqual(['http_proxy']);
    expect(sighting('proxy-environment', { proxies: [] })).toEqual(CLEAR);
    expect(sighting('lock-unread', { lock: failed('away') }).found).toEqual(['away']);
    for (const lock of [null, readout(undefined)]) expect(sighting('lock-unread', { lock })).toEqual(CLEAR);
  });

  test('a pool without a lock, and not a lock, or neither of them', () => {
    const pool = { name: 'shop', slots: 1, brake: 1 };
    const lock = { kind: 'file', path: '/l' } as const;
    expect(sighting('no-lock', configured({ pool, lock: null })).found).toEqual([
      'pool shop, without `lock`',
    ]);
    expect(sighting('no-lock', configured({ pool, lock }))).toEqual(CLEAR);
    expect(sighting('no-lock', configured({ pool: null, lock: null }))).toEqual(CLEAR);
  });

  test('the user of the sidecar is root where its unit names none', () => {
    const of = (properties: Readonly<Record<string, string>>, user: string): Sighting =>
      sighting('other-user', { sidecarUnit: readout({ name: 'lastcall.service', properties }), user });
    expect(of({}, 'root')).toEqual(CLEAR);
    expect(of({ User: '' }, 'root')).toEqual(CLEAR);
    expect(of({ User: '' }, 'lastcall').unseen.join()).toContain('runs as root');
    expect(of({ User: 'lastcall' }, 'lastcall')).toEqual(CLEAR);
    expect(of({ User: 'lastcall' }, 'root').found).toEqual([]);
  });
});

describe('The unit of the application', () => {
  const of = (id: string, properties: Readonly<Record<string, string>>, changes: Partial<Examination> = {}) =>
    sighting(id, { appUnit: readout({ name: 'app.service', properties }), ...changes });
  const ExecStop = 'lastcall drain --timeout 30m';

  test('without one, what its stop does is unseen, by file and by flag', () => {
    for (const id of ['no-drop-in', 'unit-timeout']) {
      const none = (isDirect: boolean): Sighting => sighting(id, { appUnit: null, isDirect });
      expect(none(false).unseen.join()).toMatch(/^app\.stop and app\.start name no unit/);
      expect(none(true).unseen.join()).toMatch(/^no --stop-command names a unit/);
      expect([...none(true).found, ...none(false).found]).toEqual([]);
      expect(sighting(id, { appUnit: failed('x') })).toEqual({ found: [], unseen: ['x'] });
    }
    expect(sighting('stop-timeout', { appUnit: null })).toEqual(CLEAR);
  });

  test('its grace has to be longer than the drain, not as long', () => {
    expect(of('unit-timeout', { ExecStop, TimeoutStopUSec: '30min' }).found).toHaveLength(1);
    expect(of('unit-timeout', { ExecStop, TimeoutStopUSec: '30min 1ms' })).toEqual(CLEAR);
    expect(of('unit-timeout', { ExecStop: '', TimeoutStopUSec: '1s' })).toEqual(CLEAR);
    expect(of('unit-timeout', { ExecStop })).toEqual(CLEAR);
    expect(of('unit-timeout', { TimeoutStopUSec: '1s' })).toEqual(CLEAR);
    expect(of('unit-timeout', { ExecStop, TimeoutStopUSec: 'infinity' })).toEqual(CLEAR);
    expect(of('unit-timeout', { ExecStop, TimeoutStopUSec: '1 fortnight' }).unseen.join()).toContain(
      'fortnight',
    );
  });

  test('where the sidecar starts the application, the grace is that of its own unit', () => {
    const ExecStart = '{ path=/usr/bin/lastcall ; argv[]=/usr/bin/lastcall run -c /l.yaml -- node app.js ; }';
    const its = (properties: Readonly<Record<string, string>>): Sighting =>
      sighting('unit-timeout', {
        appUnit: null,
        sidecarUnit: readout({ name: 'lastcall.service', properties }),
      });
    expect(its({ ExecStart, TimeoutStopUSec: '30s' }).found.join()).toContain(
      'lastcall.service: TimeoutStopSec=30s, and the drain may take 1800 s',
    );
    expect(its({ ExecStart, TimeoutStopUSec: '35min' })).toEqual(CLEAR);
    const alone = ExecStart.replace(' -- node app.js', '');
    expect(its({ ExecStart: alone, TimeoutStopUSec: '30s' }).found).toEqual([]);
  });

  test('our patience has to be longer than its grace, not as long, and matters for a stop by systemd alone', () => {
    expect(of('stop-timeout', { TimeoutStopUSec: '20s' }).found).toHaveLength(1);
    expect(of('stop-timeout', { TimeoutStopUSec: '19s 999ms' })).toEqual(CLEAR);
    expect(of('stop-timeout', { TimeoutStopUSec: 'infinity' }).found).toHaveLength(1);
    expect(of('stop-timeout', { ExecStop, TimeoutStopUSec: '1h' })).toEqual(CLEAR);
    const app = { ...real.config.app, stop: null };
    expect(of('stop-timeout', { TimeoutStopUSec: '1h' }, configured({ app }))).toEqual(CLEAR);
    expect(sighting('stop-timeout', { appUnit: failed('x') }).unseen).toEqual(['x']);
  });

  test.each([
    ['lastcall status; echo drain', 1],
    ['lastcall drain.sh', 1],
    ['lastcall stop-all', 1],
    ['lastcall/drain', 1],
    ['mylastcall drain', 1],
    ['echo x; lastcall stop', 0],
    ['lastcall status && lastcall drain', 0],
  ])('drains or does not: %s', (command, count) => {
    expect(of('no-drop-in', { ExecStop: command }).found).toHaveLength(count);
    expect(of('no-drop-in', {}).found).toHaveLength(1);
  });

  test.each([
    ['1d 1h 1min 1s 1ms', 90_061_001],
    ['1y 1month 1w', 34_792_200_000],
    ['1min  30s', null],
    ['1.5s', null],
    ['x1s', null],
    ['1sx', null],
  ])('the time %s', (text, ms) => expect(systemdMs(text)).toBe(ms));
});

test('Several sightings name each reason once, and each place', () => {
  const [one, other] = [unseen('x', 'y'), unseen('y')];
  expect(together([one, other, { found: ['a'], unseen: [] }, { found: ['a'], unseen: [] }])).toEqual({
    found: ['a', 'a'],
    unseen: ['x', 'y'],
  });
});
