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

test('A HAProxy of another machine, by TCP: the node is found by its address, and nothing is written that only this machine could say', async () => {
  const { box } = stock;
  await box.write(
    '/etc/haproxy/far.cfg',
    `global
  stats socket ipv4@10.9.0.2:9999 level admin
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
frontend web
  bind 10.9.0.2:80
  default_backend shop
backend shop
  cookie SRV insert indirect nocache
  option httpchk GET /
  server n1 10.9.0.1:8080 cookie n1 check
  server n2 10.9.0.77:8080 cookie n2
`,
  );
  await box.sh(`ip netns add far
    ip link add near0 type veth peer name far0 netns far
    ip addr add 10.9.0.1/24 dev near0 && ip link set near0 up
    ip -n far addr add 10.9.0.2/24 dev far0 && ip -n far link set far0 up && ip -n far link set lo up
    ip netns exec far haproxy -D -f /etc/haproxy/far.cfg`);
  const far = ['-c', '/root/far.yaml'] as const;
  const written = await stock.lastcall('init', '--haproxy', 'tcp://10.9.0.2:9999', ...far);
  expect(written).toMatchObject({ code: 0 });
  expect(written.stdout).toMatch(/far\.yaml: written .*\n *tcp:\/\/10\.9\.0\.2:9999: shop\/n1\n/);
  const text = await box.sh('cat /root/far.yaml');
  expect(text).toMatch(/^ {2}- haproxy: "?tcp:\/\/10\.9\.0\.2:9999"?$/m);
  expect(text).toMatch(/- shop\/n1 # 10\.9\.0\.1 port 8080; binds users: cookie/);
  // Which file and which socket of the other machine they would be, no file here can say.
  expect(text).not.toMatch(/^ *(master|stateFile):/m);
  expect(text).toMatch(/^ {2}stop: \{ systemd: tomcat10\.service \}$/m);
  expect(await stock.lastcall('check', ...far)).toMatchObject({ code: 0 });
  const { stdout } = await stock.lastcall('doctor', ...far);
  expect(stdout).toMatch(/tcp:\/\/10\.9\.0\.2:9999/);
  const plan = await stock.lastcall(
    'drain',
    '--dry-run',
    '--haproxy',
    'tcp://10.9.0.2:9999',
    '--server',
    'shop/n1',
  );
  expect(plan).toMatchObject({ code: 0, stdout: expect.stringContaining('would wait up to') });
});
