import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { showInfo, showServer, showServersState, showTables } from '../../../agent/haproxy/command.ts';
import { parseInfo, requireSupported } from '../../../agent/haproxy/replies/show-info.ts';
import { answersOf } from '../../../agent/haproxy/reply.ts';
import { parseServersState, readAdmin, readOver } from '../../../agent/haproxy/replies/show-servers-state.ts';
import { parseStats, type StatRow } from '../../../agent/haproxy/replies/show-stat.ts';
import { parseTables, storesServers } from '../../../agent/haproxy/replies/show-table.ts';
import { refusalOf } from '../../support/outcome.ts';
import { recorded, replied } from '../transcripts.ts';

const CONFIG = 'backend app\n  server app1 127.0.0.1:1\n  server app2 127.0.0.1:1 disabled\n';
const any = replied('');
const only = (csv: string): StatRow => {
  const [row] = parseStats(csv, any);
  if (row === undefined) throw new Error('no row');
  return row;
};

describe('statistics', () => {
  test('of a real HAProxy are read by the names of the columns', async () => {
    const [reply] = await recorded(CONFIG, showServer({ backendId: 2, serverId: 1 }));
    const row = only(answersOf(reply ?? any)[0] ?? '');
    expect([row.text('pxname'), row.text('svname'), row.count('scur')]).toEqual(['app', 'app1', 0]);
    expect(row.text('no_such_column')).toBeUndefined();
    expect(row.count('slim')).toBeNull();
  });

  test('say the same whatever the order of the columns, and whatever columns are new', async () => {
    const [reply] = await recorded(CONFIG, showServer({ backendId: 2, serverId: 1 }));
    const [header = '', values = ''] = (answersOf(reply ?? any)[0] ?? '').slice(2).split('\n');
    const names = header.split(',').slice(2, -1);
    const fields = values.split(',').slice(2, -1);
    fc.assert(
      fc.property(fc.shuffledSubarray([...names.keys(), -1], { minLength: names.length + 1 }), (order) => {
        const head = ['pxname', 'svname', ...order.map((at) => names[at] ?? 'brand_new'), ''];
        const line = ['app', 'app1', ...order.map((at) => fields[at] ?? '7'), ''];
        const row = only(`# ${head.join(',')}\n${line.join(',')}`);
        expect([row.text('status'), row.count('scur'), row.count('uweight')]).toEqual(['no check', 0, 1]);
      }),
      { numRuns: 50 },
    );
  });

  test('may have quoted texts with commas and quotes', () => {
    const row = only('# pxname,svname,last_agt,scur,\napp,app1,"via agent : down (x, ""y"", z)",3,');
    expect(row.text('last_agt')).toBe('via agent : down (x, "y", z)');
    expect(row.count('scur')).toBe(3);
  });

  test('whose count is no whole number are never taken for 0', () => {
    const odd = fc.oneof(
      fc.constantFrom('', ' ', '-1', '0abc', 'NaN', '1e9', '0x0', '0.0', '+0', '1'.repeat(400)),
      fc.string({ unit: 'grapheme-ascii' }).filter((text) => !/^\d{1,15}$/.test(text)),
    );
    fc.assert(
      fc.property(odd, (text) => {
        const row = only(`# pxname,svname,scur,\napp,app1,"${text.replaceAll('"', '""')}",`);
        expect(row.count('scur')).toBeNull();
      }),
    );
  });

  test.each([
    '',
    'HTTP/1.1 200 OK',
    '# pxname,svname,scur,\napp,app1',
    '# pxname,svname,\napp,"app1',
    '{"a":1}',
    '# pxname,svname,scur,scur,\napp,app1,3,0,',
    '# pxname,svname,scur,qcur,scur,\napp,app1,3,0,0,',
    '# pxname,svname,,scur,\napp,app1,3,0,',
    '# pxname,svname,scur\napp,app1,0',
    '# pxname,svname,qcur,scur,\napp,app1,0,',
    '# pxname,svname,scur,\napp,app1,0,3,',
    '# pxname,svname,scur,\napp,app1,0',
    '# pxname,svname,scur,\napp,app1,0,app,app2,3,',
    '# pxname,svname,scur,last,\napp,app1,0,"x"y,',
    '# pxname,svname,scur,\r\napp,app1,0,\r',
  ])('%j are none', async (text) => {
    expect(await refusalOf(() => parseStats(text, any))).toMatchObject({ code: 'balancer-unreachable' });
  });

  test('are no number where it has zeros before it: one of them may have been another digit', () => {
    expect(only('# pxname,svname,scur,\napp,app1,00,').count('scur')).toBeNull();
  });
});

describe('`show servers state`', () => {
  test('of a real HAProxy tells the numbers and the bits of each server', async () => {
    const [reply] = await recorded(CONFIG, showServersState('app'));
    const [app1, app2] = parseServersState(answersOf(reply ?? any)[0] ?? '', any);
    expect(app1).toEqual({
      backendId: 2,
      serverId: 1,
      server: 'app1',
      operational: 2,
      adminBits: 0,
      initialWeight: 1,
      endpoint: { host: '127.0.0.1', port: 1 },
      checkPort: null,
      agentPort: null,
    });
    expect(app2).toEqual({
      backendId: 2,
      serverId: 2,
      server: 'app2',
      operational: 0,
      adminBits: 5,
      initialWeight: 1,
      endpoint: { host: '127.0.0.1', port: 1 },
      checkPort: null,
      agentPort: null,
    });
  });

  test('of 1.8, with fewer columns, is read by the names too', () => {
    const names =
      'be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight';
    const [only1] = parseServersState(`1\n# ${names}\n5 app 2 app1 127.0.0.1 2 16 1 1 `, any);
    expect(only1).toMatchObject({ serverId: 2, adminBits: 16 });
  });

  test.each([
    '',
    '2\n# be_id be_name\n',
    '1\nbe_id be_name',
    '1\n# be_id be_name srv_id srv_name srv_op_state srv_admin_state\n2 app 1 app1 2',
    '1\n# be_id be_name srv_id srv_name srv_op_state srv_admin_state\n2 app 1 app1 2 0 0',
    '1\n# be_id be_name srv_id srv_name srv_op_state srv_admin_state srv_admin_state\n2 app 1 app1 2 8 0',
    '1\n# be_id be_name srv_id srv_name srv_op_state srv_admin_state\n2 app 1 app1 2 0x08',
  ])('%j is refused', async (text) => {
    expect(await refusalOf(() => parseServersState(text, any))).toMatchObject({
      code: 'balancer-unreachable',
    });
  });

  test.each([
    [0x00, 'ready', 'none'],
    [0x04, 'ready', 'none'],
    [0x01, 'maint', 'forced'],
    [0x05, 'maint', 'config'],
    [0x02, 'maint', 'inherited'],
    [0x03, 'maint', 'forced'],
    [0x0a, 'maint', 'inherited'],
    [0x20, 'maint', 'config'],
    [0x24, 'maint', 'config'],
    [0x08, 'drain', 'forced'],
    [0x0c, 'drain', 'forced'],
    [0x10, 'drain', 'inherited'],
    [0x18, 'drain', 'forced'],
    [0x40, 'ready', 'none'],
  ])('bits %d are %s, %s', (bits, admin, origin) => {
    expect(readAdmin(bits)).toEqual({ admin, origin });
  });

  // Measured on 2.6.12 and 3.2.26: what stays when DNS or the tracked server is back.
  test.each([
    [0x20, { by: 'resolution', forced: 'ready' }],
    [0x28, { by: 'resolution', forced: 'drain' }],
    [0x21, null],
    [0x02, { by: 'tracked', forced: 'ready' }],
    [0x0a, { by: 'tracked', forced: 'drain' }],
    [0x12, { by: 'tracked', forced: 'ready' }],
    [0x03, null],
    [0x10, { by: 'tracked', forced: 'ready' }],
    [0x18, null],
    [0x11, null],
    [0x05, null],
    [0x04, null],
    [0x08, null],
  ])('bits %d have %j over what is forced', (bits, over) => {
    expect(readOver(bits)).toEqual(over);
  });

  test('any bits are MAINT by 0x23, else DRAIN by 0x18, else ready', () => {
    fc.assert(
      fc.property(fc.nat(0xff), (bits) => {
        const admin = (bits & 0x23) !== 0 ? 'maint' : (bits & 0x18) !== 0 ? 'drain' : 'ready';
        expect(readAdmin(bits).admin).toBe(admin);
      }),
    );
  });
});

describe('`show info`', () => {
  test('of a real HAProxy tells who answers', async () => {
    const [reply] = await recorded(CONFIG, showInfo());
    const info = parseInfo(answersOf(reply ?? any)[0] ?? '', any);
    expect(info.pid).toBeGreaterThan(1);
    expect(info.version).toMatch(/^\d+\.\d+/);
    expect(() => requireSupported(info, any)).not.toThrow();
  });

  test('of a worker that is stopping is refused: it tells of the past', async () => {
    const text = 'Name: HAProxy\nVersion: 2.6.12\nPid: 7\nUptime_sec: 3\nStopping: 1';
    const refusal = await refusalOf(() => parseInfo(text, any));
    expect(refusal).toMatchObject({
      code: 'balancer-unreachable',
      message: expect.stringContaining('pid 7'),
    });
  });

  test.each([
    '',
    'Pid: 7',
    'Version: 2.6\nPid: x\nUptime_sec: 1\nStopping: 0',
    'Version: 2.6\nPid: 7\nUptime_sec: 1',
    'Version: 2.6\nPid: 7\nUptime_sec: 1\nStopping: 1\nStopping: 0',
  ])('%j is refused', async (text) => {
    expect(await refusalOf(() => parseInfo(text, any))).toMatchObject({ code: 'balancer-unreachable' });
  });

  test.each([
    ['1.8.31', false],
    ['2.2.34', false],
    ['2.4.0', true],
    ['2.6.12-1+deb12u4', true],
    ['2.10-dev1', true],
    ['3.0.26-0b1a2c3', true],
  ])('of version %s is supported: %s', async (version, supported) => {
    const info = { pid: 1, version, uptimeSeconds: 1 };
    if (supported) expect(() => requireSupported(info, any)).not.toThrow();
    else {
      const refusal = await refusalOf(() => requireSupported(info, any));
      expect(refusal).toMatchObject({ code: 'not-permitted', message: expect.stringContaining(version) });
    }
  });
});

describe('stick tables', () => {
  test('are listed by name, also those of a peers section, and may be none', async () => {
    const [none] = await recorded(CONFIG, showTables());
    expect(parseTables(none ?? any)).toEqual([]);
    const tables = 'backend t1\n  stick-table type ip size 1k\nbackend t2\n  stick-table type ip size 1k\n';
    const [two] = await recorded(tables, showTables());
    expect([...parseTables(two ?? any)].sort()).toEqual(['t1', 't2']);
    expect(parseTables(replied('# table: mypeers/t1, type: ip, size:1024, used:0\n\n'))).toEqual([
      'mypeers/t1',
    ]);
  });

  test.each([
    '',
    'oops\n\n',
    '# table: t1, type: ip, size:1, used:0\n',
    '# table: t1, type: ip, size:1, used:\n\n',
    '# table: t1, type: ip, size:1, used:0# table: t2, type: ip, size:1, used:0\n\n',
  ])('%j is no list of them', async (text) => {
    expect(await refusalOf(() => parseTables(replied(text)))).toMatchObject({
      code: 'balancer-unreachable',
    });
  });

  test.each([
    ['# table: t1, type: ip, size:1024, used:0\n\n', true],
    ['Filter entry #1: Data type not stored in this table\n\n', false],
    ['[3]: Filter entry #1: Data type not stored in this table\n\n', false],
    ['No such table\n\n', false],
    [
      '# table: t1, type: ip, size:1024, used:0\n# contents not dumped due to insufficient privileges\n\n',
      null,
    ],
    ['Permission denied\n\n', null],
    ['# table: t1, type: ip, size:1024, used:0\n', null],
    ['# table: t1, \n\n', null],
    ['', null],
  ])('%j says whether one stores server ids: %s', (text, stores) => {
    expect(storesServers(replied(text))).toBe(stores);
  });
});
