import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { BoxOutcome } from './box.ts';
import { openStock, type Stock } from './stock.ts';

/** `lastcall init` on a stock Debian with HAProxy and Tomcat, whose second server is another application of the machine. */

const FILE = '/etc/lastcall/lastcall.yaml';
const INIT = ['init', '--haproxy', '/run/haproxy/admin.sock'] as const;

let stock: Stock;
beforeAll(async () => {
  stock = await openStock('tomcat10');
  await stock.untilServing();
  await stock.box.sh(`systemctl stop lastcall && rm -r ${FILE} /var/lib/lastcall/*`);
}, 120_000);
afterAll(() => stock?.box.close());

/** As the sidecar's user, a member of the group haproxy. */
const asLastcall = (...words: readonly string[]): Promise<BoxOutcome> =>
  stock.box.run(['setpriv', '--reuid=lastcall', '--regid=lastcall', '--init-groups', 'lastcall', ...words]);

test('Two applications of the machine are servers of HAProxy, so it names them with their units', async () => {
  const { code, stderr } = await stock.lastcall(...INIT);
  expect(code).toBe(64);
  expect(stderr).toMatch(
    /--server.* app\/app1 \(127\.0\.0\.1:8080, tomcat10\.service\), app\/app2 \(.*app2\.service\)/,
  );
});

test('A user who may not see the process is shown its unit as a proposal', async () => {
  const { code, stdout } = await asLastcall(...INIT, '--server', 'app/app1', '--print');
  expect(code).toBe(0);
  expect(stdout).toMatch(/It was not written as root/);
  expect(stdout).toMatch(/EDIT: how is the application stopped and started\?[^]*may not see which process/);
  expect(stdout).toMatch(/^ {2}# stop: \{ systemd: tomcat10\.service \}$/m);
});

test('As root it finds the unit and the master socket, and after one edit the node drains and restarts by it', async () => {
  const written = await stock.lastcall(...INIT, '--server', 'app/app1');
  expect(written).toMatchObject({ code: 0, stdout: expect.stringContaining(`${FILE}: written (node app1)`) });
  const text = await stock.box.sh(`cat ${FILE}`);
  expect(text).toMatch(/^ {2}stop: \{ systemd: tomcat10\.service \}$/m);
  expect(text).toMatch(/^ {4}master: unix:\/run\/haproxy\/master\.sock$/m);
  expect(text).toMatch(/^ {4}http: \{ url: "?http:\/\/127\.0\.0\.1:8080\/health"? \}$/m);
  expect(text.match(/EDIT: /g)).toHaveLength(1);
  expect(text).toMatch(/^# {3}- tomcat: .* context: \/ \}$/m);
  expect(await stock.box.sh(`stat -c '%a %U:%G' ${FILE}`)).toBe('640 root:root');

  // The one edit: Tomcat's manager counts the sessions. And the file for the sidecar's user to read, as was said.
  expect(written.stdout).toContain(`chgrp lastcall ${FILE}`);
  await stock.box.sh(`sed -i -e 's/^# sessions:/sessions:/' -e 's/^#   - tomcat:/  - tomcat:/' ${FILE}
    chgrp lastcall ${FILE}`);
  expect(await asLastcall('check')).toMatchObject({ code: 0 });
  await stock.box.sh('systemctl start lastcall');
  await stock.untilServing();
  const plan = await stock.lastcall('drain', '--dry-run');
  expect(plan).toMatchObject({ code: 0, stderr: '' });
  expect(await stock.lastcall('stop', '--dry-run')).toMatchObject({ code: 0 });
  expect(await stock.lastcall('restart', '--reason', 'first restart')).toMatchObject({ code: 0 });
});
