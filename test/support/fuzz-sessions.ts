import { readJson, WrittenNumber } from '../../agent/formats/json-text.ts';
import { parseCount, type CountProblem } from '../../agent/formats/parse-count.ts';
import { createSafeRegex } from '../../agent/formats/safe-regex.ts';
import { valueAt } from '../../agent/formats/json-pointer.ts';
import { parseSeries, readMetric } from '../../agent/formats/prometheus.ts';
import { readActive, readList, readManagers } from '../../agent/sessions/tomcat-parse.ts';
import { createTableReader, createPortCounter } from '../../agent/system/proc-net-tcp.ts';
import type { Subject } from './fuzz.ts';

/** What applications and the kernel say of their users, in two digits without a zero, and the readers. */

function counted(count: number | CountProblem): number[] | null {
  return typeof count === 'number' ? [count] : null;
}

const JSON_TEXT =
  '{"name": "shop \\"1\\" \\\\", "open": true, "none": null, "rate": 1.5e3, "pools": [{"users": 37, "max": 250}, {"users": 12}]}\n';

function readDocument(text: string): number[] | null {
  const json = readJson(text);
  if ('problem' in json) return null;
  const value = valueAt(json.document, ['pools', '0', 'users']);
  return value instanceof WrittenNumber ? counted(parseCount(value.text)) : null;
}

const PAGE = [
  '# HELP tomcat_sessions_active active sessions',
  '# TYPE tomcat_sessions_active gauge',
  'tomcat_sessions_active{context="/app",host="a \\"b\\" \\\\"} 37',
  'tomcat_sessions_active{context="/other"} 99.0',
  'tomcat_sessions_active{context="/app",host="c"} 1.2e1 1700000000000',
  'tomcat_sessions_active_total{context="/app"} 5',
  '# EOF',
  '',
].join('\n');

const LIST = [
  'OK - Listed applications for virtual host [localhost]',
  '/:running:99:ROOT',
  '/app:running:37:app##1',
  '/app:running:12:app##2',
  '/manager:running:99:manager',
  '',
].join('\r\n');

const MANAGERS = [
  'OK - Number of results: 2',
  '',
  'Name: Catalina:type=Manager,host=localhost,context=/app',
  'modelerType: org.apache.catalina.session.StandardManager',
  'stateName: STARTED',
  'activeSessions: 37',
  'maxActive: 41',
  '',
  'Name: Catalina:type=Manager,host=localhost,context=/app##2',
  'modelerType: org.apache.catalina.session.StandardManager',
  'stateName: STARTED',
  'activeSessions: 12',
  '',
  '',
].join('\r\n');

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const socket = (n: number, local: string, remote: string, state: string, inode: number): string =>
  `   ${n}: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0000000000000000 20 4 30 10 -1`;
const table = (own: string, others: readonly string[]): string =>
  [
    HEAD,
    socket(0, `${own}:1F90`, `${own.replaceAll(/./g, '0')}:0000`, '0A', 4711),
    ...others.map((other, n) => socket(n + 1, `${own}:1F90`, `${other}:C3${50 + n}`, '01', 4712 + n)),
    socket(9, `${own}:0016`, `${own}:D111`, '06', 0),
    '',
  ].join('\n');
const V6 = '0000000000000000FFFF00000100007F';

/** The kernel's files end where the kernel ends them. */
const isCutAtLine = (whole: string) => (text: string) => text.endsWith('\n') && whole.startsWith(text);

function readSockets(text: string): number[] {
  const tally = createPortCounter(0x1f90);
  const reader = createTableReader('/proc/net/tcp', tally.take);
  reader.push(Buffer.from(text, 'latin1'));
  reader.finish();
  return [tally.view().established];
}

const V4_TABLE = table('0100007F', ['0200007F', '0300007F', '0400007F']);
const V6_TABLE = table(V6, [V6, V6, V6]);
const pattern = createSafeRegex(String.raw`^active sessions: (\d+)$`);
const series = parseSeries('tomcat_sessions_active{context="/app"}');

/** All of them. */
export const sessionSubjects = (): readonly Subject[] => [
  { name: 'a plain number', text: ' 37\r\n', read: (text) => counted(parseCount(text)) },
  { name: 'JSON', text: JSON_TEXT, read: readDocument },
  {
    name: 'a regular expression',
    text: 'uptime: 99\nactive sessions: 37\nactive threads: 12\n',
    read: (text) => counted(pattern(text)),
  },
  { name: 'Prometheus', text: PAGE, read: (text) => counted(readMetric(text, series)) },
  { name: 'text/list', text: LIST, read: (text) => counted(readList(text, '/app')) },
  {
    name: 'jmxproxy',
    text: MANAGERS,
    read(text) {
      const managers = readManagers(text, '/app');
      return 'problem' in managers ? null : counted(readActive(managers));
    },
  },
  { name: 'tcp', text: V4_TABLE, read: readSockets, cannotCome: isCutAtLine(V4_TABLE) },
  { name: 'tcp6', text: V6_TABLE, read: readSockets, cannotCome: isCutAtLine(V6_TABLE) },
];
