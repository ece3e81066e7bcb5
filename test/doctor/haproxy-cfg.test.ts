import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { examined, startTinyApp, type Seen, type TinyApp } from '../support/doctor.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';

/** What no socket shows and haproxy.cfg does: a HAProxy that runs with all of it at once. */

let app: TinyApp;
let haproxy: Haproxy;
let file: string;
beforeAll(async () => {
  app = await startTinyApp();
  haproxy = await startHaproxy(
    `global
  stats maxconn 4
  hard-stop-after 1m
defaults base
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
  option persist
  default-server slowstart 30s
backend worst from base
  balance static-rr
  cookie JSESSIONID prefix
  option httpchk GET /jsp
  retry-on conn-failure response-timeout
  force-persist if { src 127.0.0.9 }
.if defined(HOME)
  use-server app1 if { path /x }
.endif
  use-server app2 if { path /x }
  default-server on-marked-down shutdown-sessions on-marked-up shutdown-backup-sessions
  server app1 127.0.0.1:${app.port} cookie a check agent-check agent-port 1 agent-inter 30s
  server app2 127.0.0.1:1 cookie b
  server spare 127.0.0.1:2 cookie c backup
`,
    { statsMaxconn: 10 },
  );
  file = join(haproxy.dir, 'given.cfg');
  // From 3.1 on; older ones do not start with it.
  const text = await readFile(join(haproxy.dir, 'haproxy.cfg'), 'utf8');
  await writeFile(file, text.replace('cookie a check', 'cookie a init-state down check'));
}, 30_000);
afterAll(async () => {
  await haproxy?.stop();
  await app?.close();
});

function look(haproxyFile: string | null, more = {}): Promise<Seen> {
  const stateFile = join(haproxy.dir, 'state');
  const balancers = [{ haproxy: haproxy.socket, servers: ['worst/app1'], stateFile }];
  const http = { url: `${app.url}/health`, signOut: { status: [404] } };
  return examined(haproxy.dir, { balancers, app: { probe: { http } }, ...more }, haproxyFile);
}

describe('haproxy.cfg', () => {
  test('shows each line that moves users, keeps them or repeats their requests, with its place', async () => {
    const { found, unseen } = await look(file);
    for (const id of [
      'option-persist',
      'force-persist',
      'use-server',
      'on-marked-down',
      'on-marked-up',
      'cookie-mode',
    ])
      expect({ id, found: found[id] }).toEqual({ id, found: [expect.stringContaining(`${file}:`)] });
    for (const id of ['redispatch', 'retry-on', 'init-state', 'slowstart-never', 'timeout-check'])
      expect({ id, found: found[id] }).toEqual({ id, found: [expect.stringContaining('worst')] });
    for (const id of ['sign-out-is-down', 'state-file-ignored', 'agent-inter', 'other-check'])
      expect({ id, found: found[id] }).toEqual({ id, found: [expect.stringContaining('server app1')] });
    expect(found['use-server']?.join()).toContain('use-server app1 if { path /x } (where its .if holds)');
    expect(found['hard-stop-after']?.join()).toContain('a drain may take 30m');
    expect(found['socket-slots']?.join()).toContain('stats maxconn 4');
    expect(unseen['option-persist']).toBeUndefined();
  });

  test('shows the check of HAProxy, which makes a session at each request', async () => {
    const { found } = await look(file);
    expect(found['check-makes-sessions']?.join()).toContain(`127.0.0.1:${app.port}/jsp`);
  });

  test('shows the server whose return cuts the users of a node that is a backup, and nothing where none is one', async () => {
    const other = join(haproxy.dir, 'pair.cfg');
    const servers = (own: string): string =>
      `backend worst\n  server app1 127.0.0.1:1 ${own}\n  server app2 127.0.0.1:2 on-marked-up shutdown-backup-sessions\n`;
    await writeFile(other, servers('backup'));
    expect((await look(other)).found['on-marked-up']).toEqual([
      `${other}:3: backend worst: server app2: on-marked-up shutdown-backup-sessions, and app1 is a backup`,
    ]);
    await writeFile(other, servers('on-marked-up shutdown-backup-sessions'));
    expect((await look(other)).found['on-marked-up']).toBeUndefined();
  });

  test('shows a server-state file that is another one than ours', async () => {
    const other = join(haproxy.dir, 'state.cfg');
    const written = async (global: string, loads: string): Promise<readonly string[] | undefined> => {
      await writeFile(
        other,
        `global\n  ${global}\ndefaults\n  load-server-state-from-file ${loads}\nbackend worst\n  server app1 127.0.0.1:1\n`,
      );
      return (await look(other)).found['state-file-ignored'];
    };
    const named = join(haproxy.dir, 'state');
    expect(await written('server-state-file /var/lib/haproxy/state', 'global')).toEqual([
      expect.stringContaining(`HAProxy loads /var/lib/haproxy/state, and stateFile is ${named}`),
    ]);
    expect(await written(`server-state-file ${named}`, 'global')).toBeUndefined();
    expect(
      await written(`server-state-base ${haproxy.dir}/\n  server-state-file state`, 'global'),
    ).toBeUndefined();
    expect(await written(`server-state-base ${haproxy.dir}`, 'local')).toEqual([
      expect.stringContaining(`HAProxy loads ${haproxy.dir}/worst`),
    ]);
    expect(await written('maxconn 10', 'none')).toEqual([
      expect.stringContaining('no load-server-state-from-file'),
    ]);
  });

  test('that was not given, that has other servers, or that cannot be read, shows nothing', async () => {
    const none = await look(null);
    expect(none.found['option-persist']).toBeUndefined();
    expect(none.unseen['option-persist']?.join()).toContain('--haproxy-config');
    const other = join(haproxy.dir, 'other.cfg');
    await writeFile(other, 'backend elsewhere\n  server app1 127.0.0.1:1\n');
    expect((await look(other)).unseen['option-persist']?.join()).toContain('none of this node');
    expect((await look(join(haproxy.dir, 'gone.cfg'))).unseen['use-server']?.join()).toContain('ENOENT');
    await writeFile(other, 'backend worst\n  log "open\n  server app1 127.0.0.1:1\n');
    expect((await look(other)).unseen['use-server']?.join()).toContain('could not be read: 2');
  });
});
