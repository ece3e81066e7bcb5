import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { networkInterfaces } from 'node:os';
import type { UnitExamined } from '../../agent/doctor/examination.ts';
import type { Examination, HaproxyExamined } from '../../agent/doctor/examination.ts';
import { TRAPS } from '../../agent/doctor/table.ts';
import { NOT_ASKED, readout } from '../../agent/doctor/readout.ts';
import type { Sighting } from '../../agent/doctor/trap.ts';
import { systemdMs } from '../../agent/doctor/traps/units.ts';
import { readExamination } from '../../agent/examine.ts';
import { readConfig } from '../../agent/config/load.ts';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { realClock } from '../../agent/system/clock.ts';
import { examined } from '../support/doctor.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { memoryLog } from '../support/memory-log.ts';
import { freePort } from '../support/ports.ts';
import { skipped } from '../support/skip.ts';

/** Traps that no machine of ours has: versions of HAProxy, units of systemd. A real reading, with that one value in it. */

let haproxy: Haproxy;
let port: number;
let real: Examination;
beforeAll(async () => {
  port = await freePort();
  haproxy = await startHaproxy(
    `global
  stats socket ipv4@0.0.0.0:${port} level admin
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
backend app
  server app1 127.0.0.1:1 agent-check agent-port 1
  server app2 127.0.0.1:1
`,
    { master: true },
  );
  real = await examinationOf(haproxy, {
    balancers: [{ haproxy: haproxy.socket, master: haproxy.masterSocket, servers: ['app/app1'] }],
    app: { start: { systemd: 'app.service' }, stop: { systemd: 'app.service', timeout: '20s' } },
    sessions: [{ files: { path: '/tmp/sess_*', youngerThan: '24m' } }],
    listen: { agentCheck: { address: '127.0.0.1:1' }, control: join(haproxy.dir, 'none.sock') },
  });
}, 30_000);
afterAll(() => haproxy?.stop());

async function examinationOf({ dir }: Haproxy, config: object): Promise<Examination> {
  const file = join(dir, 'judged.yaml');
  await writeFile(file, JSON.stringify({ node: 'app1', state: join(dir, 'app1.json'), ...config }));
  const loaded = await readConfig(file, { env: {}, hostname: 'here', isTerminal: false, supervised: false });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const world = { clock: realClock, log: memoryLog(), searchPath: process.env['PATH'], env: {} };
  return readExamination({ config: loaded.config, isDirect: false, haproxyFile: null, env: {} }, world);
}

function sighting(id: string, changes: Partial<Examination> = {}): Sighting {
  const trap = TRAPS.find((one) => one.id === id);
  if (trap === undefined) throw new Error(`no trap ${id}`);
  return trap.look({ ...real, ...changes });
}

/** The real HAProxy, said to be of another version. */
function ofVersion(version: string): { readonly haproxies: readonly HaproxyExamined[] } {
  return {
    haproxies: real.haproxies.map((one) =>
      one.about.ok
        ? { ...one, about: readout({ ...one.about.value, info: { ...one.about.value.info, version } }) }
        : one,
    ),
  };
}

describe('Versions of HAProxy', () => {
  test.each([
    ['too-old', '2.2.9-2+deb11u6', '2.4.0'],
    ['master-crash', '3.4.0', '3.3.13'],
    ['master-crash', '3.5-dev5', '2.6.12'],
    ['agent-stays-down', '3.3.11', '3.3.12'],
    ['agent-stays-down', '3.4.1-abc', '3.4.2'],
    ['cut-answer-crash', '3.2.26-1', '3.2.22'],
  ])('%s: %s, and not %s', (id, bad, good) => {
    expect(sighting(id, ofVersion(bad)).found.join()).toContain(`is HAProxy ${bad}`);
    expect(sighting(id, ofVersion(good))).toEqual({ found: [], unseen: [] });
  });
});

function unit(properties: UnitExamined['properties']): UnitExamined {
  return { name: 'app.service', properties };
}

const DRAINS =
  '{ path=/bin/sh ; argv[]=/bin/sh -c test -z "$MAINPID" || exec /usr/bin/lastcall drain --no-refuse --timeout 30m ; ignore_errors=no }';

describe('Units of systemd', () => {
  const look = (
    id: string,
    properties: UnitExamined['properties'],
    changes: Partial<Examination> = {},
  ): Sighting => sighting(id, { appUnit: readout(unit(properties)), ...changes });

  test('a unit whose stop does not drain, or is killed in the middle of it', () => {
    expect(look('no-drop-in', { ExecStop: '' }).found).toHaveLength(1);
    expect(look('no-drop-in', { ExecStop: DRAINS }).found).toEqual([]);
    const grace = (TimeoutStopUSec: string): readonly string[] =>
      look('unit-timeout', { ExecStop: DRAINS, TimeoutStopUSec }).found;
    expect(grace('1min 30s').join()).toContain('the drain may take 1800 s');
    expect(grace('32min')).toEqual([]);
    expect(grace('infinity')).toEqual([]);
  });

  test.each([
    ['/usr/bin/lastcall -c /etc/lastcall/app.yaml drain --timeout 1h30m', '5400 s'],
    ['/usr/bin/lastcall --config=/etc/stop.yaml stop --timeout=45m', '2700 s'],
    [`/bin/sh -c 'exec lastcall drain --timeout "2h"'`, '7200 s'],
    ['/usr/bin/lastcall drain', '1800 s'],
  ])('a drain, however it is written: %s', (command, text) => {
    const properties = { ExecStop: `{ argv[]=${command} ; }`, TimeoutStopUSec: '1min 30s' };
    expect(look('no-drop-in', properties).found).toEqual([]);
    expect(look('unit-timeout', properties).found.join()).toContain(`the drain may take ${text}`);
  });

  test.each(['lastcall -c /etc/stop.yaml status', 'lastcall status; systemctl stop x'])(
    'what is no drain: %s',
    (command) => expect(look('no-drop-in', { ExecStop: command }).found).toHaveLength(1),
  );

  test('what no unit shows is not reported as fine', () => {
    const ExecStop = 'lastcall drain --timeout ${LONG}';
    const unread = look('unit-timeout', { ExecStop, TimeoutStopUSec: '1min 30s' });
    expect(unread.unseen.join()).toContain('--timeout');
    for (const id of ['no-drop-in', 'unit-timeout'])
      expect(sighting(id, { appUnit: null }).unseen.join()).toContain('name no unit');
    const sidecarUnit = { ok: false, why: 'systemd has no lastcall.service', code: 'failed' } as const;
    expect(sighting('other-user', { sidecarUnit }).unseen.join()).toContain('no lastcall.service');
  });

  test('a unit that may stop for longer than we wait', () => {
    expect(look('stop-timeout', { TimeoutStopUSec: '1min 30s' }).found.join()).toContain('waits 20 s');
    expect(look('stop-timeout', { TimeoutStopUSec: '10s' }).found).toEqual([]);
    expect(look('stop-timeout', { ExecStop: DRAINS, TimeoutStopUSec: '32min' }).found).toEqual([]);
  });

  test('a start that means nothing, where no probe waits', () => {
    expect(look('start-means-nothing', { Type: 'simple' }).found.join()).toContain('Type=simple');
    expect(look('start-means-nothing', { Type: 'forking' }).found).toEqual([]);
  });

  test('a sandbox that hides session files, and a sidecar of another user', () => {
    const sidecarUnit = readout({
      name: 'lastcall.service',
      properties: { PrivateTmp: 'yes', User: 'lastcall' },
    });
    expect(sighting('private-tmp', { sidecarUnit }).found.join()).toContain('/tmp/sess_*');
    expect(sighting('other-user', { sidecarUnit, user: 'root' }).unseen.join()).toContain(
      'runuser -u lastcall',
    );
    expect(sighting('other-user', { sidecarUnit, user: 'lastcall' }).unseen).toEqual([]);
    const open = readout({ name: 'lastcall.service', properties: { PrivateTmp: 'no', User: 'lastcall' } });
    expect(sighting('private-tmp', { sidecarUnit: open }).found).toEqual([]);
    const home = readout({ name: 'lastcall.service', properties: { ProtectHome: 'read-only' } });
    expect(sighting('private-tmp', { sidecarUnit: home }).found).toEqual([]);
  });

  test('an application whose session files are in a /tmp of its own, where the sidecar would count none', () => {
    const sidecarUnit = readout({ name: 'lastcall.service', properties: { PrivateTmp: 'no' } });
    const its = (PrivateTmp: string) =>
      sighting('private-tmp', {
        sidecarUnit,
        appUnit: readout({ name: 'tomcat10.service', properties: { PrivateTmp } }),
      });
    expect(its('yes')).toEqual({
      found: [expect.stringContaining('tomcat10.service has PrivateTmp=yes')],
      unseen: [],
    });
    expect(its('no')).toEqual({ found: [], unseen: [] });
    expect(sighting('private-tmp', { sidecarUnit, appUnit: null }).unseen.join()).toContain('no unit');
  });

  test.each([
    ['1min 30s', 90_000],
    ['1h', 3_600_000],
    ['500ms', 500],
    ['infinity', Infinity],
    ['', null],
  ])('the time %s', (text, ms) => {
    expect(systemdMs(text)).toBe(ms);
  });
});

test('An agent-check that gets no answer while the sidecar runs', () => {
  const isDeaf = { ...real.haproxies[0], servers: readout([{ ...serverOf(real), agentStatus: 'L4CON' }]) };
  const haproxies = [isDeaf as HaproxyExamined];
  expect(sighting('agent-deaf', { haproxies, sidecar: readout({ phase: 'serving' }) }).found).toHaveLength(1);
  expect(sighting('agent-deaf', { haproxies }).found).toEqual([]);
});

test('An agent-check without a file that shows whose it is, and a master that was not asked, are not judged', () => {
  const agent = sighting('agent-foreign', { isDirect: true });
  expect(agent).toEqual({ found: [], unseen: [expect.stringContaining('no file shows whose it is')] });
  const master = { ok: false, why: 'it was not asked', code: NOT_ASKED } as const;
  const haproxies = real.haproxies.map((one) => ({ ...one, master }));
  expect(sighting('master-rights', { haproxies })).toEqual({ found: [], unseen: ['it was not asked'] });
});

function serverOf({ haproxies: [first] }: Examination): object & { readonly name: string } {
  if (first?.servers.ok !== true || first.servers.value[0] === undefined) throw new Error('no server');
  return first.servers.value[0];
}

test('A socket without rights is a trap of its own', () => {
  const about = { ok: false, why: 'permission denied', code: 'not-permitted' } as const;
  const haproxies = real.haproxies.map((one) => ({ ...one, about }));
  expect(sighting('socket-rights', { haproxies }).found.join()).toContain('permission denied');
  expect(sighting('unreachable', { haproxies })).toEqual({ found: [], unseen: [] });
});

test('A HAProxy whose old workers can neither be seen nor counted', async () => {
  const host = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal)?.address;
  if (host === undefined) return skipped('this machine has no address but its loopback');
  const balancers = [{ haproxy: `tcp://${host}:${port}`, servers: ['app/app1'] }];
  const { found } = await examined(haproxy.dir, { balancers });
  expect(found['no-master']?.join()).toContain(host);
});
