import { describe, expect, test } from '@jest/globals';
import { parseServerConnections } from '../../../agent/haproxy/replies/show-servers-conn.ts';
import { hasFragileMaster, parseInfo, requireSupported } from '../../../agent/haproxy/replies/show-info.ts';
import { parseOldWorkers, parseWorkers } from '../../../agent/haproxy/replies/show-proc.ts';
import { parseServersState } from '../../../agent/haproxy/replies/show-servers-state.ts';
import { parseStats } from '../../../agent/haproxy/replies/show-stat.ts';
import { refusalOf } from '../../support/outcome.ts';
import { replied } from '../transcripts.ts';

/** What HAProxy 2.4 to 3.4 answer, in the formats of each; the real one of the tests is Debian's 2.6. */

const PROCS: Readonly<Record<string, string>> = {
  // With the relative PID, a failed reload lists the serving worker (1271) as old.
  '2.4': `#<PID>          <type>          <relative PID>  <reloads>       <uptime>        <version>
1162            master          0               5               0d00h02m07s     2.4.36
# workers
1271            worker          1               0               0d00h00m00s     2.4.36
# old workers
1233            worker          [was: 1]        3               0d00h00m43s     2.4.36
# programs
1244            worker          0               0d00h00m00s     -
`,
  '2.6': `#<PID>          <type>          <reloads>       <uptime>        <version>
1162            master          5 [failed: 1]   0d00h02m07s     2.6.12-1+deb12u4
# workers
1271            worker          1               0d00h00m00s     2.6.12-1+deb12u4
# old workers
1233            worker          3               0d00h00m43s     2.6.12-1+deb12u4
# programs
`,
  '3.1': `#<PID>          <type>          <reloads>       <uptime>        <version>
1162            master          5 [failed: 1]   0d00h02m07s     3.1.17
# workers
# old workers
1271            worker          1               0d00h00m00s     3.1.17
1233            worker          3               0d00h00m43s     3.1.17
`,
};

describe('show proc', () => {
  test.each(Object.entries(PROCS))('of %s names every worker, whatever its section', (_version, answer) => {
    expect(parseWorkers(answer, replied(answer))).toEqual(expect.arrayContaining([1233, 1271]));
    expect(parseWorkers(answer, replied(answer))).toHaveLength(2);
  });

  test.each(Object.entries(PROCS))(
    'of %s tells those that are older than the one that serves',
    (_version, answer) => {
      expect(parseOldWorkers(answer, replied(answer), 1271)).toEqual([1233]);
      expect(parseOldWorkers(answer, replied(answer), 1233)).toEqual([]);
      expect(parseOldWorkers(answer, replied(answer), 4711)).toBeNull();
    },
  );

  test('of a program is no worker, whatever its name', () => {
    const answer = PROCS['2.4'] ?? '';
    const renamed = answer.replace('1244            worker ', '1244            my prog');
    expect(parseWorkers(renamed, replied(renamed))).toHaveLength(2);
  });

  const rows = PROCS['2.6'] ?? '';
  test.each([
    '',
    'Unknown command\n',
    '#<PID> <type>\nabc worker\n',
    rows.replace('1233            worker', '1233            worke'),
    rows.replace('1233 ', 'l233 '),
    rows.replace('# old workers', '# old worker'),
    rows.replace('\n# old workers', '# old workers'),
    rows.replace('# old workers\n', '# old workers'),
    rows.replace('0d00h00m43s ', ''),
    rows.replace('#<PID> ', '<PID> '),
  ])('is not %j', async (answer) => {
    expect(await refusalOf(() => parseWorkers(answer, replied(answer)))).toMatchObject({
      code: 'balancer-unreachable',
    });
  });
});

const CONN_2_4 =
  '# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[2]\n';
// 3.3 has `served` and `idle_sess` in between.
const CONN_3_3 =
  '# bkname/svname bkid/svid addr port - purge_delay served used_cur used_max need_est idle_sess unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[2]\n';

describe('show servers conn', () => {
  test.each([
    ['2.4', `${CONN_2_4}app/app1 2/1 10.0.0.1 80 - 5000 6 7 8 1 0 -1 2 1 1\n`],
    ['3.3', `${CONN_3_3}app/app1 2/1 10.0.0.1 80 - 5000 9 6 7 8 5 1 0 -1 2 1 1\n`],
  ])('of %s is read by the names of its columns', (_version, answer) => {
    const name = { backend: 'app', server: 'app1' };
    expect(parseServerConnections(answer, name, replied(answer))).toEqual({ used: 6, idle: 2 });
    expect(parseServerConnections(answer, { ...name, server: 'app' }, replied(answer))).toBeNull();
  });

  const row = 'app/app1 2/1 10.0.0.1 80 - 5000 6 7 8 1 0 -1 2 1 1';
  test.each([
    ['a row that lost a field', `${CONN_2_4}${row.replace(' 6', '')}\n`],
    ['one that lost its end', `${CONN_2_4}${row.slice(0, -2)}\n`],
    ['two rows in one', `${CONN_2_4}${row.replaceAll('app1', 'app2')}${row}\n`],
    ['a column twice', `${CONN_2_4.replace('used_max', 'used_cur')}${row}\n`],
    ['a column without a name', `${CONN_2_4.replace('used_max', '')}${row}\n`],
    ['a header without its end', `${CONN_2_4.replace(' idle_per_thr[2]', '')}${row}\n`],
  ])('is refused with %s', async (_what, answer) => {
    const name = { backend: 'app', server: 'app1' };
    expect(await refusalOf(() => parseServerConnections(answer, name, replied(answer)))).toMatchObject({
      code: 'balancer-unreachable',
    });
  });

  test('without a count is no zero', async () => {
    const answer = `${CONN_2_4}app/app1 2/1 10.0.0.1 80 - 5000 - 7\n`;
    const name = { backend: 'app', server: 'app1' };
    expect(await refusalOf(() => parseServerConnections(answer, name, replied(answer)))).toMatchObject({
      code: 'balancer-unreachable',
    });
  });
});

const STAT_HEAD = 'pxname,svname,qcur,qmax,scur,smax,slim,stot';

describe('show stat', () => {
  // 120 columns in 2.4, 128 in 2.6, 138 in 2.8, 140 in 3.2, 145 in 3.3: new ones are inserted.
  test.each([120, 128, 138, 140, 145])('of %i columns is read by their names', (columns) => {
    const more = Array.from({ length: columns - 8 }, (_none, index) => `x${index}`);
    const header = `# ${[STAT_HEAD, ...more.slice(0, 90), 'uweight', ...more.slice(91)].join(',')},\n`;
    const values = ['app', 'app1', '3', '9', '4', '9', '', '17', ...more.map((_name, index) => `${index}`)];
    const [row] = parseStats(`${header}${values.join(',')},\n`, replied(''));
    expect([row?.count('qcur'), row?.count('scur'), row?.count('stot'), row?.count('uweight')]).toEqual([
      3, 4, 17, 90,
    ]);
    expect(row?.count('idle_conn_cur')).toBeNull();
  });

  test('of 2.4 with a master has the rows of the proxy MASTER, which are no servers of ours', () => {
    const answer = `# ${STAT_HEAD},\nMASTER,cur-1,,,0,,,0,\napp,app1,0,0,2,2,,5,\n`;
    const rows = parseStats(answer, replied(answer));
    expect(rows.map((row) => row.text('pxname'))).toEqual(['MASTER', 'app']);
  });

  test('of a stopping worker of 2.4 has no row', () => {
    expect(parseStats(`# ${STAT_HEAD},\n`, replied(''))).toEqual([]);
  });
});

describe('show servers state', () => {
  const head =
    '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight';
  test.each([
    [
      '2.2, of 20 columns',
      head,
      '3 app 1 app1 10.0.0.1 2 8 1 5',
      { endpoint: null, checkPort: null, agentPort: null },
    ],
    [
      '2.4 and later, of 25',
      `${head} srv_fqdn srv_port srvrecord srv_check_port srv_agent_port`,
      '3 app 1 app1 10.0.0.1 2 8 1 5 - 80 - 8090 0',
      { endpoint: { host: '10.0.0.1', port: 80 }, checkPort: 8090, agentPort: null },
    ],
  ])('of %s is read by the names of its columns', (_version, header, line, more) => {
    const answer = `1\n${header}\n${line}`;
    expect(parseServersState(answer, replied(answer))).toEqual([
      { backendId: 3, serverId: 1, server: 'app1', operational: 2, adminBits: 8, initialWeight: 5, ...more },
    ]);
  });
});

describe('an older HAProxy', () => {
  const info = (version: string): string =>
    `Name: HAProxy\nVersion: ${version}\nPid: 7\nUptime_sec: 5\nStopping: 0\n`;

  test.each(['1.8.31', '2.0.35', '2.2.34', '2.3-dev1'])('%s is refused with the reason', async (version) => {
    const reply = replied(info(version));
    const refusal = await refusalOf(() => requireSupported(parseInfo(reply.text, reply), reply));
    expect(refusal).toMatchObject({ code: 'not-permitted', next: expect.stringContaining('2.4') });
    expect(refusal.message).toMatch(/too old: .* sessions cannot be seen/);
  });

  test.each(['2.4.36', '2.6.12-1+deb12u4', '2.10', '3.1.17', '3.5-dev5'])('%s is not one', (version) => {
    const reply = replied(info(version));
    expect(() => requireSupported(parseInfo(reply.text, reply), reply)).not.toThrow();
  });
});

test.each([
  ['3.4.0-1', true],
  ['3.4.3', true],
  ['3.4-dev2', true],
  ['3.4-dev1', false],
  ['3.5-dev5-abc', true],
  ['3.5-dev6', false],
  ['3.5-dev10', false],
  ['3.3.11', false],
  ['2.6.12-1+deb12u4', false],
])('the master of %s ends at a connection in recovery mode: %s', (version, fragile) => {
  expect(hasFragileMaster({ pid: 1, uptimeSeconds: 1, version })).toBe(fragile);
});
