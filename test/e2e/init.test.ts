import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandOutcome, lastcall, type Running, start } from '../support/cli.ts';
import { startFake } from '../support/fake-haproxy.ts';
import { startHaproxy, type Haproxy, type HaproxyOptions } from '../support/haproxy.ts';
import { freePort } from '../support/ports.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** `lastcall init`: what a live HAProxy and this machine show becomes a configuration, and nothing is changed. */

let temp: TempDir;
const haproxies: Haproxy[] = [];
const programs: Running[] = [];
beforeEach(async () => {
  temp = await makeTempDir();
});
afterEach(async () => {
  for (const program of programs.splice(0)) {
    program.child.kill('SIGKILL');
    await program.outcome;
  }
  for (const haproxy of haproxies.splice(0)) await haproxy.stop();
  await temp.remove();
});

const DEFAULTS = `defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
`;
/** Nothing of this machine has it (RFC 5737). */
const ELSEWHERE = '198.51.100.7:8080';

async function haproxyWith(config: string, options?: HaproxyOptions): Promise<Haproxy> {
  const haproxy = await startHaproxy(`${DEFAULTS}${config}`, options);
  haproxies.push(haproxy);
  return haproxy;
}

/** A process of its own that listens at these ports. */
async function application(...ports: readonly number[]): Promise<void> {
  const script = `for (const port of [${ports.join()}]) require('node:http').createServer((q, r) => r.end('0'))
    .listen(port, '127.0.0.1', () => console.log('listens at ' + port));`;
  const program = start('setpriv', ['--pdeathsig', 'KILL', process.execPath, '-e', script]);
  programs.push(program);
  for (const port of ports) await program.said(`listens at ${port}`);
}

interface Shown {
  readonly ok: boolean;
  readonly code: string;
  readonly message?: string;
  readonly next?: string;
  readonly node: string;
  readonly text: string;
  readonly balancers: readonly { readonly name: string; readonly servers: readonly string[] }[];
  readonly edits: readonly { readonly line: number; readonly text: string }[];
  readonly warnings: readonly string[];
}

/** `init --print --json`, at each of these HAProxys. */
async function show(at: readonly (Haproxy | string)[], ...words: readonly string[]): Promise<Shown> {
  const addresses = at.flatMap((one) => ['--haproxy', typeof one === 'string' ? one : one.socket]);
  const { stdout } = await lastcall(['init', ...addresses, ...words, '--print', '--json']).outcome;
  return JSON.parse(stdout) as Shown;
}

const serversIn = ({ balancers }: Shown): readonly (readonly string[])[] =>
  balancers.map(({ servers }) => servers);

describe('init finds the node by its addresses', () => {
  test('in all backends, with its trackers, and leaves out what is in MAINT without a connection', async () => {
    const [app, other] = [await freePort(), await freePort()];
    await application(app);
    const haproxy = await haproxyWith(`backend app
  cookie SRV insert indirect nocache
  server app1 127.0.0.1:${app} cookie app1 check
  server app2 ${ELSEWHERE} cookie app2
backend api
  server one 127.0.0.1:${app}
  server two 198.51.100.8:${app}
backend sockets
  server app1 ${ELSEWHERE} track app/app1
backend spare
  server slot1 127.0.0.1:${app} disabled
  server slot2 127.0.0.1:${other} disabled
`);
    const shown = await show([haproxy], '--server', 'app/app1');
    expect(serversIn(shown)).toEqual([['app/app1', 'api/one', 'sockets/app1']]);
    expect(shown.text).toMatch(/^ {6}# - spare\/slot1 # the same address, in MAINT/m);
    expect(shown.text).toMatch(
      /- app\/app1 # 127\.0\.0\.1 port \d+; binds users: cookie; checked by a connection/,
    );
    expect(shown.text).toContain(`tcp: 127.0.0.1:${app}\n`);
    // slot2 is a server of this machine too.
    const { code, message, next } = await show([haproxy]);
    expect(code).toBe('usage');
    expect(message).toContain('2 applications of this machine');
    expect(next).toMatch(/--server.*app\/app1 \(127.*spare\/slot2 \(127.*nothing listens there\)/);
  });

  test('one process that listens at two ports is one application, and two processes are two', async () => {
    const [web, ajax, blog] = [await freePort(), await freePort(), await freePort()];
    const haproxy = await haproxyWith(`backend web
  server s 127.0.0.1:${web}
backend ajax
  server s 127.0.0.1:${ajax}
`);
    await application(web, ajax);
    expect(serversIn(await show([haproxy]))).toEqual([['web/s', 'ajax/s']]);
    const both = await haproxyWith(`backend web
  server s 127.0.0.1:${web}
backend blog
  server s 127.0.0.1:${blog}
`);
    await application(blog);
    expect(await show([both])).toMatchObject({
      code: 'usage',
      next: expect.stringMatching(/web\/s .*blog\/s /),
    });
    const named = await show([both], '--server', 'blog/s');
    expect(named).toMatchObject({ node: 's', balancers: [{ servers: ['blog/s'] }] });
    expect(named.text).toMatch(/^# Other applications of this machine at these HAProxys: web\/s\./m);
    expect(serversIn(await show([both], '--server', 'blog/s', '--server', 'web/s'))).toEqual([
      ['web/s', 'blog/s'],
    ]);
  });

  test('at every balancer that is given, by whatever name it has there', async () => {
    const port = await freePort();
    await application(port);
    const one = await haproxyWith(
      `backend app\n  server app1 127.0.0.1:${port}\n  server app2 ${ELSEWHERE}\n`,
    );
    const other = await haproxyWith(`backend shop\n  server n7 127.0.0.1:${port}\n`);
    expect(serversIn(await show([one, other]))).toEqual([['app/app1'], ['shop/n7']]);
    expect(serversIn(await show([one, other], '--server', 'app/app1'))).toEqual([['app/app1'], ['shop/n7']]);
    const without = await haproxyWith(`backend app\n  server app2 ${ELSEWHERE}\n`);
    expect(await show([one, without])).toMatchObject({
      code: 'no-such-server',
      message: expect.stringContaining(`${without.socket}: this HAProxy has no server of this node`),
      next: expect.stringContaining('app/app2'),
    });
  });

  test('a stage of HAProxy itself is no application', async () => {
    const [app, stage] = [await freePort(), await freePort()];
    await application(app);
    const haproxy = await haproxyWith(`listen first
  bind 127.0.0.1:${await freePort()}
  server tls 127.0.0.1:${stage}
listen app
  bind 127.0.0.1:${stage}
  server app1 127.0.0.1:${app}
`);
    expect(serversIn(await show([haproxy]))).toEqual([['app/app1']]);
  });

  test('and asks for its name where HAProxy shows no address of this machine', async () => {
    const config = `backend app\n  server app1 ${ELSEWHERE} check\n  server app2 198.51.100.8:8080\n  server app3 unix@/nowhere.sock\n`;
    const haproxy = await haproxyWith(config);
    const refused = await show([haproxy]);
    expect(refused).toMatchObject({ ok: false, code: 'usage' });
    expect(refused.message).toContain('no server of HAProxy has an address of this machine');
    expect(refused.next).toMatch(
      /--server.*app\/app1 \(198\.51\.100\.7:8080\), app\/app2 .*app\/app3 \(unix/,
    );
    const named = await show([haproxy], '--server', 'app/app1');
    expect(named).toMatchObject({ node: 'app1', balancers: [{ servers: ['app/app1'] }] });
    expect(named.text).toContain(`tcp: ${ELSEWHERE}\n`);
    expect(named.text).toMatch(/lastcall has to run beside the application/);
    expect(serversIn(await show([haproxy], '--server', 'app/app3'))).toEqual([['app/app3']]);
    expect(await show([haproxy], '--server', 'app/app9')).toMatchObject({
      code: 'no-such-server',
      next: expect.stringContaining('app/app1'),
    });
  });
});

const BACKENDS: readonly (readonly [what: string, backend: string, questions: number, code: number])[] = [
  ['no stickiness', 'server app1 127.0.0.1:PORT check', 0, 0],
  ['a cookie', 'cookie SRV insert indirect nocache\n  server app1 127.0.0.1:PORT cookie app1 check', 1, 0],
  [
    'a stick table',
    'stick-table type string len 32 size 1k expire 1m\n  stick on req.cook(S)\n  server app1 127.0.0.1:PORT check',
    0,
    0,
  ],
  ['mode tcp', 'mode tcp\n  server app1 127.0.0.1:PORT check', 1, 0],
  ['a hash', 'balance source\n  server app1 127.0.0.1:PORT check', 0, 75],
];

describe('What it writes', () => {
  test('is accepted by check, and drains by a sidecar as it is', async () => {
    const ports = await Promise.all(BACKENDS.map(() => freePort()));
    for (const port of ports) await application(port);
    const config = BACKENDS.map(
      ([, backend], at) =>
        `backend b${at}\n  ${backend.replace('PORT', String(ports[at]))}\n  server app2 127.0.0.1:${ports[at]} ${backend.includes('cookie SRV') ? 'cookie app2' : ''}\n`,
    );
    // The second server stands for another node: it has another address of this machine.
    const haproxy = await haproxyWith(
      config.map((text) => text.replace(/(server app2 )127\.0\.0\.1/, '$1198.51.100.9')).join(''),
      { master: true },
    );
    for (const [at, [what, , questions, code]] of BACKENDS.entries()) {
      const file = join(temp.path, `${at}.yaml`);
      const words = ['init', '--haproxy', haproxy.socket, '--server', `b${at}/app1`, '-c', file];
      expect({ what, ...(await lastcall(words).outcome) }).toMatchObject({ what, code: 0 });
      const text = await readFile(file, 'utf8');
      expect({ what, counts: text.match(/EDIT: how are the users counted/g)?.length ?? 0 }).toEqual({
        what,
        counts: questions,
      });
      expect(await lastcall(['check', '-c', file]).outcome).toMatchObject({ code: 0 });
      expect({ what, ...(await dryRun(file)) }).toMatchObject({ what, code });
    }
  });

  test('is a file of mode 0640, never written over another one', async () => {
    const port = await freePort();
    await application(port);
    const haproxy = await haproxyWith(`backend app\n  server app1 127.0.0.1:${port}\n`);
    const file = join(temp.path, 'etc', 'lastcall.yaml');
    const init = (): Promise<CommandOutcome> =>
      lastcall(['init', '--haproxy', haproxy.socket, '-c', file]).outcome;
    const first = await init();
    expect(first).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/lastcall\.yaml: written .*\n.*app\/app1/),
    });
    expect((await stat(file)).mode & 0o777).toBe(0o640);
    const text = await readFile(file, 'utf8');
    expect(await init()).toMatchObject({
      code: 73,
      stdout: '',
      stderr: expect.stringMatching(/is there already; nothing was written.*--print/),
    });
    expect(await readFile(file, 'utf8')).toBe(text);
    const nowhere = join(temp.path, 'no', 'such', 'lastcall.yaml');
    expect(await lastcall(['init', '--haproxy', haproxy.socket, '-c', nowhere]).outcome).toMatchObject({
      code: 73,
      stderr: expect.stringContaining(nowhere),
    });
  });

  test('names the master socket, and a table whose entries never end', async () => {
    const port = await freePort();
    await application(port);
    const haproxy = await haproxyWith(
      `backend app\n  stick-table type string len 32 size 1k\n  stick on req.cook(S)\n  server app1 127.0.0.1:${port}\n`,
      { master: true },
    );
    const { text, edits } = await show([haproxy]);
    expect(text).toMatch(new RegExp(`^ {4}(# )?master: unix:${String(haproxy.masterSocket)}$`, 'm'));
    expect(text).toMatch(/^ {2}- stickTable: \{ table: app \}$/m);
    expect(edits.filter((edit) => edit.text.includes('expire'))).toEqual([]);
    await haproxy.command('set table app key u1 data.server_id 1');
    const later = await show([haproxy]);
    expect(later.edits).toContainEqual(
      expect.objectContaining({ text: expect.stringContaining('no `expire`') }),
    );
  });
});

describe('What cannot be read', () => {
  test('is an error that names the socket: its level, and a HAProxy that does not answer', async () => {
    const port = await freePort();
    await application(port);
    const haproxy = await haproxyWith(
      `global\n  stats socket ${join(temp.path, 'user.sock')} level user\nbackend app\n  server app1 127.0.0.1:${port}\n`,
    );
    expect(await show([join(temp.path, 'user.sock')])).toMatchObject({
      code: 'not-permitted',
      message: expect.stringContaining('user.sock: this socket is of level user'),
    });
    const counting = await show([haproxy.operatorSocket]);
    expect(counting.edits).toContainEqual(
      expect.objectContaining({ text: expect.stringContaining('how is a state set here?') }),
    );
    expect(await show([haproxy, join(temp.path, 'none.sock')])).toMatchObject({
      code: 'balancer-unreachable',
    });
    expect(await show([haproxy], '-c', haproxy.dir, '--server', 'app1')).toMatchObject({ code: 'usage' });
  });

  test('is a name that no HAProxy has', async () => {
    const columns = 'pxname,svname,qcur,scur,status,uweight,act,bck,tracked,addr';
    const fake = await startFake((line, socket) => {
      const info = 'Name: HAProxy\nVersion: 3.0.11\nPid: 1\nUptime_sec: 9\nStopping: 0\n\n';
      if (line.startsWith('show cli level')) return socket.end(`admin\n\n${info}`);
      return socket.end(`${info}# ${columns},\n"a: b
listen: x",s1,0,0,UP,1,1,0,,127.0.0.1:80,\n\n`);
    });
    const { code } = await show([fake.path]);
    expect(['failed', 'balancer-unreachable']).toContain(code);
    await fake.stop();
  });

  test('a thousand servers take no longer than a few', async () => {
    const port = await freePort();
    await application(port);
    const servers = Array.from(
      { length: 1_000 },
      (_, at) => `  server s${at} 198.51.100.${at % 250}:${at + 1}\n`,
    );
    const haproxy = await haproxyWith(
      `backend many\n${servers.join('')}backend app\n  server app1 127.0.0.1:${port}\n`,
    );
    expect(serversIn(await show([haproxy]))).toEqual([['app/app1']]);
  });
});

/** A sidecar with this file, its state and socket in the directory of the test, and `drain --dry-run` there. */
async function dryRun(file: string): Promise<CommandOutcome> {
  const socket = `${file}.sock`;
  await appendFile(file, `\nstate: ${file}.json\nlisten: { control: ${socket} }\n`);
  const sidecar = lastcall(['run', '-c', file]);
  programs.push(sidecar);
  await sidecar.said('-> serving');
  const outcome = await lastcall(['drain', '--dry-run', '--socket', socket]).outcome;
  sidecar.child.kill('SIGTERM');
  await sidecar.outcome;
  await writeFile(`${file}.log`, outcome.stdout);
  return outcome;
}
