import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import {
  countByPage,
  type FieldSite,
  type FirstMinutes,
  nothing,
  openFieldSite,
  takeFirstMinutes,
  tellExpire,
} from '../support/field-site.ts';
import type { Haproxy } from '../support/haproxy.ts';
import { packageRoot } from '../support/sample.ts';
import { until } from '../support/until.ts';

/**
 * Configurations of HAProxy as people run them (test/fixtures/field, each with its source): `init` writes a file, `check` and
 * `doctor` take it after at most one edit, of the block `sessions`, what is a trap there is named, and a dry run answers.
 */

let site: FieldSite;
let haproxy: Haproxy;
beforeAll(async () => {
  site = await openFieldSite();
});
afterEach(() => haproxy?.stop());
afterAll(() => site.close());

/** A bug of this version of HAProxy, which no configuration mends. */
const OF_VERSION = ['cut-answer-crash', 'master-crash', 'master-rights'];
const NAMESPACE = `department-of-very-long-namespaces${'x'.repeat(26)}`;
const ROUTE = `legacy-portal-route${'y'.repeat(44)}`;
const POD =
  'pod:legacy-portal-deployment-7d9c6b5f4d-abcde:legacy-portal-service-with-a-long-name-behind-the-route:http-8080-tcp:10.128.12.115:8080';

interface Case {
  readonly config: string;
  /** What is special there, as the test's title. */
  readonly title: string;
  /** What `--server` names. */
  readonly servers: readonly string[];
  /** What init finds; default what was named. */
  readonly found?: readonly string[];
  /** Sent to the Runtime API before init. */
  readonly command?: string;
  /** The operator's one edit. */
  readonly edit: (text: string) => string;
  /** Of the block `sessions`; init also asks how the application is stopped, which check and doctor do not need. */
  readonly question?: RegExp;
  readonly warnings?: RegExp;
  /** As doctor names them with the edit, the worst first. */
  readonly breaks?: readonly string[];
  readonly costs: readonly string[];
  /** Each is said by doctor. */
  readonly said?: readonly RegExp[];
  /** The exit code of `drain --dry-run`, and what it says. */
  readonly dryRun: readonly [code: number, said: RegExp];
}

const COUNTED = /how are the users counted\?/;
const ACCEPTED = [0, /would set \S+ at \S+ to DRAIN/] as const;

const CASES: readonly Case[] = [
  {
    config: 'shared-table',
    title: 'one stick table for two backends: both servers, and the lifetime of an empty table is asked',
    servers: ['web/app1'],
    found: ['web/app1', 'api/app1'],
    edit: tellExpire,
    question: /how long does an entry of the stick table web live\?/,
    warnings: /api\/app1 has no check/,
    breaks: ['source-unread', 'table-peers'],
    costs: ['no-check', 'no-state-file'],
    said: [/a user who came before a reload or restart is not in it/],
    dryRun: [0, /would set web\/app1 at \S+, api\/app1 at \S+ to DRAIN/],
  },
  {
    config: 'tracking-server',
    title: 'websockets behind a server that tracks: it is one of the node’s',
    servers: ['pages/app1'],
    found: ['pages/app1', 'sockets/app1'],
    edit: nothing,
    costs: ['connect-check', 'no-state-file', 'timeout-check'],
    dryRun: [0, /would set pages\/app1 at \S+, sockets\/app1 at \S+ to DRAIN/],
  },
  {
    config: 'rdp',
    title: 'persist rdp-cookie: what no socket shows is asked',
    servers: ['rdp/tse1'],
    edit: countByPage,
    question: COUNTED,
    warnings: /mode tcp, where `persist rdp-cookie` cannot be seen/,
    costs: ['connect-check', 'no-state-file', 'timeout-check'],
    dryRun: ACCEPTED,
  },
  {
    config: 'long-names',
    title: 'names of more than 128 characters: the node gets the name of the host and its port',
    servers: [`be_edge_http:${NAMESPACE}:${ROUTE}/${POD}`],
    edit: countByPage,
    question: COUNTED,
    costs: ['connect-check', 'no-state-file', 'timeout-check'],
    dryRun: ACCEPTED,
  },
  {
    config: 'foreign-agent',
    title: 'an agent of the application: it is named before a drain',
    servers: ['app/app1'],
    edit: countByPage,
    question: COUNTED,
    warnings: /another program answers the agent-check of this node/,
    breaks: ['agent-foreign'],
    costs: ['connect-check', 'no-state-file', 'redispatch', 'timeout-check'],
    dryRun: ACCEPTED,
  },
  {
    config: 'endless-table',
    title: 'a stick table without expire: its entries never end, so another source counts',
    servers: ['pool/member_1'],
    command: 'set table pool key u1 data.server_id 1',
    edit: countByPage,
    question: /when does a user end\? The stick table pool has no `expire`/,
    breaks: ['table-peers'],
    costs: ['connect-check', 'no-state-file', 'timeout-check'],
    dryRun: ACCEPTED,
  },
  {
    config: 'standby',
    title: 'active and standby: that the backup does not count, and that a mark down or up cuts users',
    servers: ['db/db1'],
    edit: countByPage,
    question: COUNTED,
    warnings: /75 guard.* unless drain\.keepBackups is true/,
    breaks: ['on-marked-down', 'on-marked-up'],
    costs: ['guard', 'connect-check', 'no-state-file', 'timeout-check'],
    said: [/the backup db\/db2 is up, and a backup does not count/],
    dryRun: [75, /\(guard\): .*backup/],
  },
  {
    config: 'controller',
    title: 'an ingress controller that has set weight 0: an operator’s drain',
    servers: ['jboss-glf-web/srv001'],
    command: 'set server jboss-glf-web/srv001 weight 0',
    edit: countByPage,
    question: COUNTED,
    warnings: /has weight 0 now, which is an operator's drain/,
    costs: ['held', 'connect-check', 'no-state-file', 'cookie-mode', 'redispatch', 'timeout-check'],
    said: [/has weight 0, which is an operator's drain/],
    dryRun: [75, /\(held\): .*has weight 0/],
  },
  {
    config: 'discovered',
    title: 'servers without a check: nothing binds a user and nothing is asked',
    servers: ['app/app1'],
    edit: nothing,
    warnings: /app\/app1 has no check/,
    costs: ['no-check', 'no-state-file'],
    dryRun: ACCEPTED,
  },
  {
    config: 'two-workers',
    title: 'two workers of one host, and no other: they are no others of each other',
    servers: ['images/im-8801', 'images/im-8802'],
    edit: nothing,
    warnings: /no other server takes users besides images\/im-8801, images\/im-8802/,
    costs: ['guard', 'connect-check', 'no-state-file', 'timeout-check'],
    said: [/without images\/im-9801 \(DOWN\)/],
    dryRun: [75, /\(guard\): /],
  },
  {
    config: 'hash',
    title: 'a hash alone: no count could keep its users',
    servers: ['app/app1'],
    edit: nothing,
    warnings: /75 unkeepable/,
    breaks: ['unkeepable'],
    costs: ['connect-check', 'no-state-file', 'timeout-check'],
    dryRun: [75, /\(unkeepable\): /],
  },
  {
    config: 'plain-cookie',
    title: 'a cookie and no check',
    servers: ['app/app1'],
    edit: countByPage,
    question: COUNTED,
    warnings: /app\/app1 has no check/,
    costs: ['no-check', 'no-state-file', 'redispatch'],
    dryRun: ACCEPTED,
  },
];

describe('A HAProxy that lastcall has never seen', () => {
  test.each(CASES)('$config: $title', async (one) => {
    haproxy = await site.haproxy(one.config);
    if (one.command !== undefined) await haproxy.command(one.command);
    const seen = await takeFirstMinutes(haproxy, one.servers, one.edit);
    expectAsWritten(seen, one);
    const node = one.config === 'long-names' ? new RegExp(`^${hostname()}-\\d+$`) : /^[\w-]+$/;
    expect(seen.diagnosis.node).toMatch(node);
  });

  test('dns: a name without an address, and with one', async () => {
    site.names.clear();
    haproxy = await site.haproxy('dns');
    const servers = ['app/app1'];
    const costs = ['no-state-file', 'redispatch', 'timeout-check'];
    expectAsWritten(await takeFirstMinutes(haproxy, servers, nothing), {
      servers,
      question: COUNTED,
      warnings: /app\/app1 is in MAINT since its name has no address \(DNS\)/,
      breaks: ['uncounted'],
      costs: ['held', 'no-probe', ...costs],
      said: [/app\/app1 is in MAINT because its name does not resolve \(DNS\), which no command ends/],
      dryRun: ACCEPTED,
    });
    await haproxy.stop();

    for (const name of ['app1.test', 'app2.test', 'app3.test']) site.names.add(name);
    haproxy = await site.haproxy('dns');
    const stats = (): Promise<string> => haproxy.command('show stat');
    await until('all names resolve', async () => !(await stats()).includes(',MAINT (resolution),'));
    await until('all are checked', async () => (await stats()).split('L4OK').length === 4);
    expectAsWritten(await takeFirstMinutes(haproxy, servers, countByPage), {
      servers,
      question: COUNTED,
      costs: ['connect-check', ...costs],
      dryRun: ACCEPTED,
    });
  });

  test('each fixture is one of these', () => {
    const files = readdirSync(join(packageRoot(), 'test', 'fixtures', 'field'));
    const tried = [...CASES.map(({ config }) => config), 'dns'];
    expect(new Set(files)).toEqual(new Set(tried.map((name) => `${name}.cfg`)));
  });
});

function expectAsWritten(seen: FirstMinutes, wanted: Omit<Case, 'config' | 'title' | 'edit'>): void {
  const { questions, warnings, traps, diagnosis, dryRun } = seen;
  expect(seen.servers).toEqual(wanted.found ?? wanted.servers);
  const ofSessions = questions.filter((text) => !/^(how is the application stopped|which page)/.test(text));
  expect(ofSessions).toEqual(wanted.question === undefined ? [] : [expect.stringMatching(wanted.question)]);
  expect(warnings).toMatch(wanted.warnings ?? /^(users are bound .*)?$/);
  const known = (ids: readonly string[]): string[] => ids.filter((id) => !OF_VERSION.includes(id));
  const { breaks, costs, note } = traps;
  expect({ breaks: known(breaks), costs: known(costs), note: known(note) }).toEqual({
    breaks: wanted.breaks ?? [],
    costs: wanted.costs,
    note: ['no-sidecar'],
  });
  const places = diagnosis.traps.flatMap(({ found }) => found).join('\n');
  for (const text of wanted.said ?? []) expect(places).toMatch(text);
  const [code, said] = wanted.dryRun;
  expect(dryRun.code).toBe(code);
  expect(`${dryRun.stdout}${dryRun.stderr}`).toMatch(said);
}
