import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { examined, type Seen } from '../support/doctor.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { freePort } from '../support/ports.ts';

/** What a trap could not be looked for in is named, and never taken for fine. */

let haproxy: Haproxy;
let closed: number;
beforeAll(async () => {
  closed = await freePort();
  haproxy = await startHaproxy(`defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
backend app
  cookie SRV insert indirect nocache
  server app1 127.0.0.1:${closed} cookie a
  server app2 127.0.0.1:1 cookie b
backend tabled
  stick-table type string size 1k expire 1h
  stick on req.cook(id)
  server app1 127.0.0.2:80
`);
}, 30_000);
afterAll(() => haproxy?.stop());

function look(server: string, more: object = {}, haproxyFile: string | null = null): Promise<Seen> {
  return examined(
    haproxy.dir,
    { balancers: [{ haproxy: haproxy.socket, servers: [server] }], ...more },
    haproxyFile,
  );
}

describe('Of an application that does not run', () => {
  const GONE = 'the application does not run now';
  const ids = ['stop-fails', 'source-unread', 'unhealthy', 'uncounted'];
  const url = (): string => `http://127.0.0.1:${closed}/`;

  test('neither its stop nor its health nor its users are judged', async () => {
    const pidFile = join(haproxy.dir, 'app.pid');
    const ended = spawnSync('true').pid;
    await writeFile(pidFile, `${ended}\n`);
    const app = { probe: { http: { url: url() } }, stop: { signal: { pidFile } } };
    const counted = await look('app/app1', { app, sessions: [{ http: { url: url() } }] });
    expect(ids.map((id) => [id, counted.found[id], counted.unseen[id]])).toEqual(
      ids.map((id) => [id, undefined, [GONE]]),
    );
  });

  test('all of it is, where no stop shows that it has ended', async () => {
    const app = { probe: { http: { url: url() } } };
    const { found } = await look('app/app1', { app, sessions: [{ http: { url: url() } }] });
    expect(found['source-unread']).toHaveLength(1);
    expect(found['unhealthy']).toHaveLength(1);
  });
});

describe('In haproxy.cfg', () => {
  async function given(lines: string, server: string, more: object = {}): Promise<Seen> {
    const file = join(haproxy.dir, 'given.cfg');
    await writeFile(
      file,
      `${lines}\nbackend app\n  server app1 127.0.0.1:1 check ${server}\nbackend tabled\n  server app1 127.0.0.2:80\n`,
    );
    return look('app/app1', more, file);
  }

  test.each([
    ['agent-inter', '', 'agent-check agent-inter ${INTER}', 'the agent-inter of app1 is ${INTER}'],
    ['hard-stop-after', 'global\n  hard-stop-after ${STOP}', '', 'hard-stop-after is ${STOP}'],
    ['other-check', 'defaults\n  option httpchk GET /${PAGE}', '', 'the URI of the check is /${PAGE}'],
  ])('a value of the environment is not guessed: %s', async (id, lines, server, why) => {
    const probe = { http: { url: `http://127.0.0.1:${closed}/health` } };
    const { found, unseen } = await given(lines, server, { app: { probe } });
    expect(found[id]).toBeUndefined();
    expect(unseen[id]?.join()).toContain(why);
  });

  test('a stick table that the file does not have', async () => {
    await given('', '');
    const { found, unseen } = await look('tabled/app1', {}, join(haproxy.dir, 'given.cfg'));
    expect(found['table-expire']).toBeUndefined();
    expect(unseen['table-expire']?.join()).toContain('has no stick-table of tabled');
  });
});

test('A HAProxy that only polls shows no check beside a probe that connects', async () => {
  const more = {
    balancers: [{ health: { from: ['127.0.0.1'] } }],
    listen: { health: { address: `127.0.0.1:${await freePort()}` }, control: join(haproxy.dir, 'none.sock') },
    app: { probe: { tcp: `127.0.0.1:${closed}` } },
    sessions: [{ command: ['/bin/echo', '0'] }],
  };
  const { found, unseen } = await examined(haproxy.dir, more);
  expect(found['tcp-probe-checked']).toBeUndefined();
  expect(unseen['tcp-probe-checked']?.join()).toContain(
    'no HAProxy can be asked how it checks the application',
  );
});
