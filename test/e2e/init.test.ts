import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type InitReport, type InitSite, ELSEWHERE, openInitSite, showInit } from '../support/init-site.ts';
import { freePort } from '../support/ports.ts';

/** `lastcall init` finds the servers of this machine at live HAProxys, and never guesses. */

let site: InitSite;
beforeEach(async () => {
  site = await openInitSite();
});
afterEach(() => site.close());

const serversIn = ({ balancers }: InitReport): readonly (readonly string[])[] =>
  balancers.map(({ servers }) => servers);

describe('init finds the node by its addresses', () => {
  test('in all backends, with its trackers, and leaves out what is in MAINT without a connection', async () => {
    const [app, other] = [await freePort(), await freePort()];
    await site.application(app);
    const haproxy = await site.haproxy(`backend app
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
    const shown = await showInit([haproxy], '--server', 'app/app1');
    expect(serversIn(shown)).toEqual([['app/app1', 'api/one', 'sockets/app1']]);
    expect(shown.text).toMatch(/^ {6}# - spare\/slot1 # the same address, in MAINT/m);
    expect(shown.text).toMatch(
      /- app\/app1 # 127\.0\.0\.1 port \d+; binds users: cookie; checked by a connection/,
    );
    expect(shown.text).toContain(`http: { url: http://127.0.0.1:${app}/health }\n`);
    // slot2 is a server of this machine too.
    const { code, message, next } = await showInit([haproxy]);
    expect(code).toBe('usage');
    expect(message).toContain('2 applications of this machine');
    expect(next).toMatch(/--server.*app\/app1 \(127.*spare\/slot2 \(127.*nothing listens there\)/);
  });

  test('one process that listens at two ports is one application, and two processes are two', async () => {
    const [web, ajax, blog] = [await freePort(), await freePort(), await freePort()];
    const haproxy = await site.haproxy(`backend web
  server s 127.0.0.1:${web}
backend ajax
  server s 127.0.0.1:${ajax}
`);
    await site.application(web, ajax);
    expect(serversIn(await showInit([haproxy]))).toEqual([['web/s', 'ajax/s']]);
    const both = await site.haproxy(`backend web
  server s 127.0.0.1:${web}
backend blog
  server s 127.0.0.1:${blog}
`);
    await site.application(blog);
    expect(await showInit([both])).toMatchObject({
      code: 'usage',
      next: expect.stringMatching(/web\/s .*blog\/s /),
    });
    const named = await showInit([both], '--server', 'blog/s');
    expect(named).toMatchObject({ node: 's', balancers: [{ servers: ['blog/s'] }] });
    expect(named.text).toMatch(/^# Other applications of this machine at these HAProxys: web\/s\./m);
    expect(serversIn(await showInit([both], '--server', 'blog/s', '--server', 'web/s'))).toEqual([
      ['web/s', 'blog/s'],
    ]);
  });

  test('at every balancer that is given, by whatever name it has there', async () => {
    const port = await freePort();
    await site.application(port);
    const one = await site.haproxy(
      `backend app\n  server app1 127.0.0.1:${port}\n  server app2 ${ELSEWHERE}\n`,
    );
    const other = await site.haproxy(`backend shop\n  server n7 127.0.0.1:${port}\n`);
    expect(serversIn(await showInit([one, other]))).toEqual([['app/app1'], ['shop/n7']]);
    expect(serversIn(await showInit([one, other], '--server', 'app/app1'))).toEqual([
      ['app/app1'],
      ['shop/n7'],
    ]);
    const { warnings } = await showInit([one, one.operatorSocket]);
    expect(warnings).toContainEqual(expect.stringMatching(/seem to be one HAProxy/));
    const without = await site.haproxy(`backend app\n  server app2 ${ELSEWHERE}\n`);
    expect(await showInit([one, without])).toMatchObject({
      code: 'no-such-server',
      message: expect.stringContaining(`${without.socket}: this HAProxy has no server of this node`),
      next: expect.stringContaining('app/app2'),
    });
  });

  test('a stage of HAProxy itself is no application', async () => {
    const [app, stage] = [await freePort(), await freePort()];
    await site.application(app);
    const haproxy = await site.haproxy(`listen first
  bind 127.0.0.1:${await freePort()}
  server tls 127.0.0.1:${stage}
listen app
  bind 127.0.0.1:${stage}
  server app1 127.0.0.1:${app}
`);
    expect(serversIn(await showInit([haproxy]))).toEqual([['app/app1']]);
  });

  test('and asks for its name where HAProxy shows no address of this machine', async () => {
    const config = `backend app\n  server app1 ${ELSEWHERE} check\n  server app2 198.51.100.8:8080\n  server app3 unix@/nowhere.sock\n`;
    const haproxy = await site.haproxy(config);
    const refused = await showInit([haproxy]);
    expect(refused).toMatchObject({ ok: false, code: 'usage' });
    expect(refused.message).toContain('no server of HAProxy has an address of this machine');
    expect(refused.next).toMatch(
      /--server.*app\/app1 \(198\.51\.100\.7:8080\), app\/app2 .*app\/app3 \(unix/,
    );
    const named = await showInit([haproxy], '--server', 'app/app1');
    expect(named).toMatchObject({ node: 'app1', balancers: [{ servers: ['app/app1'] }] });
    expect(named.text).toContain(`tcp: ${ELSEWHERE}\n`);
    expect(named.text).toMatch(/lastcall has to run beside the application/);
    expect(serversIn(await showInit([haproxy], '--server', 'app/app3'))).toEqual([['app/app3']]);
    const other = await site.haproxy('backend app\n  server app1 198.51.100.9:8080\n');
    expect((await showInit([haproxy, other], '--server', 'app/app1')).warnings).toContainEqual(
      expect.stringMatching(
        /several addresses \(app\/app1 at 198\.51\.100\.7, app\/app1 at 198\.51\.100\.9\)/,
      ),
    );
    expect(await showInit([haproxy], '--server', 'app/app9')).toMatchObject({
      code: 'no-such-server',
      next: expect.stringContaining('app/app1'),
    });
  });

  test('a thousand servers take no longer than a few', async () => {
    const port = await freePort();
    await site.application(port);
    const servers = Array.from(
      { length: 1_000 },
      (_, at) => `  server s${at} 198.51.100.${at % 250}:${at + 1}\n`,
    );
    const haproxy = await site.haproxy(
      `backend many\n${servers.join('')}backend app\n  server app1 127.0.0.1:${port}\n`,
    );
    expect(serversIn(await showInit([haproxy]))).toEqual([['app/app1']]);
  });
});
