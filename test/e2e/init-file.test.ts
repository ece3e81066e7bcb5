import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { appendFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandOutcome, lastcall } from '../support/cli.ts';
import { startFake } from '../support/fake-haproxy.ts';
import { type InitSite, openInitSite, showInit } from '../support/init-site.ts';
import { freePort } from '../support/ports.ts';

/** The file that `lastcall init` writes: right as it is, never over another one, and nothing is changed at HAProxy. */

let site: InitSite;
beforeEach(async () => {
  site = await openInitSite();
});
afterEach(() => site.close());

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
    for (const port of ports) await site.application(port);
    const config = BACKENDS.map(
      ([, backend], at) =>
        `backend b${at}\n  ${backend.replace('PORT', String(ports[at]))}\n  server app2 127.0.0.1:${ports[at]} ${backend.includes('cookie SRV') ? 'cookie app2' : ''}\n`,
    );
    // The second server stands for another node: it has another address of this machine.
    const haproxy = await site.haproxy(
      config.map((text) => text.replace(/(server app2 )127\.0\.0\.1/, '$1198.51.100.9')).join(''),
      { master: true },
    );
    for (const [at, [what, , questions, code]] of BACKENDS.entries()) {
      const file = join(site.dir, `${at}.yaml`);
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
    await site.application(port);
    const haproxy = await site.haproxy(`backend app\n  server app1 127.0.0.1:${port}\n`);
    const file = join(site.dir, 'etc', 'lastcall.yaml');
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
    const nowhere = join(site.dir, 'no', 'such', 'lastcall.yaml');
    expect(await lastcall(['init', '--haproxy', haproxy.socket, '-c', nowhere]).outcome).toMatchObject({
      code: 73,
      stderr: expect.stringContaining(nowhere),
    });
  });

  test('names the master socket, and a table whose entries never end', async () => {
    const port = await freePort();
    await site.application(port);
    const haproxy = await site.haproxy(
      `backend app\n  stick-table type string len 32 size 1k\n  stick on req.cook(S)\n  server app1 127.0.0.1:${port}\n`,
      { master: true },
    );
    const { text, edits } = await showInit([haproxy]);
    expect(text).toMatch(new RegExp(`^ {4}(# )?master: unix:${String(haproxy.masterSocket)}$`, 'm'));
    expect(text).toMatch(/^ {2}- stickTable:\n {6}table: app$/m);
    expect(edits).toContainEqual(
      expect.objectContaining({ text: expect.stringContaining('It is empty now') }),
    );
    await haproxy.command('set table app key u1 data.server_id 1');
    const later = await showInit([haproxy]);
    expect(later.edits).toContainEqual(
      expect.objectContaining({ text: expect.stringContaining('no `expire`') }),
    );
  });
});

describe('What cannot be read', () => {
  test('is an error that names the socket: its level, and a HAProxy that does not answer', async () => {
    const port = await freePort();
    await site.application(port);
    const haproxy = await site.haproxy(
      `global\n  stats socket ${join(site.dir, 'user.sock')} level user\nbackend app\n  server app1 127.0.0.1:${port}\n`,
    );
    expect(await showInit([join(site.dir, 'user.sock')])).toMatchObject({
      code: 'not-permitted',
      message: expect.stringContaining('user.sock: this socket is of level user'),
    });
    const counting = await showInit([haproxy.operatorSocket]);
    expect(counting.edits).toContainEqual(
      expect.objectContaining({ text: expect.stringContaining('how is a state set here?') }),
    );
    expect(await showInit([haproxy, join(site.dir, 'none.sock')])).toMatchObject({
      code: 'balancer-unreachable',
    });
    expect(await showInit([haproxy], '-c', haproxy.dir, '--server', 'app1')).toMatchObject({ code: 'usage' });
  });

  test('is a name that no HAProxy has', async () => {
    const columns = 'pxname,svname,qcur,scur,status,uweight,act,bck,tracked,addr';
    const fake = await startFake((line, socket) => {
      const info = 'Name: HAProxy\nVersion: 3.0.11\nPid: 1\nUptime_sec: 9\nStopping: 0\n\n';
      if (line.startsWith('show cli level')) return socket.end(`admin\n\n${info}`);
      return socket.end(`${info}# ${columns},\n"a: b
listen: x",s1,0,0,UP,1,1,0,,127.0.0.1:80,\n\n`);
    });
    const { code } = await showInit([fake.path]);
    expect(['failed', 'balancer-unreachable']).toContain(code);
    await fake.stop();
  });
});

/** A sidecar with this file, its state and socket in the directory of the test, and `drain --dry-run` there. */
async function dryRun(file: string): Promise<CommandOutcome> {
  const socket = `${file}.sock`;
  await appendFile(file, `\nstate: ${file}.json\nlisten: { control: ${socket} }\n`);
  const sidecar = site.started(lastcall(['run', '-c', file]));
  await sidecar.said('-> serving');
  const outcome = await lastcall(['drain', '--dry-run', '--socket', socket]).outcome;
  sidecar.child.kill('SIGTERM');
  await sidecar.outcome;
  return outcome;
}
