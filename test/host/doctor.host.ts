import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Diagnosis } from '../../agent/doctor/diagnosis.ts';
import { until } from '../support/until.ts';
import { openStock, type Stock } from './stock.ts';

/** `lastcall doctor` on Debian's own HAProxy and Tomcat: the traps of a newcomer, and nothing after the cures of its page. */

const DOCTOR = ['lastcall', 'doctor', '--json', '--haproxy-config', '/etc/haproxy/haproxy.cfg'];

let stock: Stock;
beforeAll(async () => {
  stock = await openStock('tomcat10');
  await stock.untilServing();
}, 120_000);
afterAll(() => stock?.box.close());

/** As the user of the sidecar. */
async function diagnosis(): Promise<{
  readonly ids: readonly string[];
  readonly whole: Diagnosis;
  readonly code: number | null;
}> {
  const { code, stdout } = await stock.box.run(['runuser', '-u', 'lastcall', '--', ...DOCTOR]);
  const whole = JSON.parse(stdout) as Diagnosis;
  return { ids: whole.traps.map(({ id }) => id), whole, code };
}

/** What an operator of a stock machine has before reading any page: Debian's units and sockets, and a first lastcall.yaml. */
async function takeCuresAway(): Promise<void> {
  await stock.box.sh(`rm -r /etc/systemd/system/tomcat10.service.d /etc/polkit-1/rules.d/50-lastcall.rules
    systemctl daemon-reload && systemctl restart polkit
    sed -i '/EXTRAOPTS/d' /etc/default/haproxy
    sed -i '/httpchk/d' /etc/haproxy/haproxy.cfg
    systemctl restart haproxy`);
  await untilChecked('L4OK');
  await stock.box.write(
    '/etc/lastcall/lastcall.yaml',
    `node: app1
app:
  start: { systemd: tomcat10.service }
  stop: { systemd: tomcat10.service }
balancers:
  - haproxy: unix:/run/haproxy/admin.sock
    master: unix:/run/haproxy-master.sock
    servers: [app/app1]
`,
  );
}

test('names exactly the traps of a stock machine before any cure', async () => {
  await takeCuresAway();
  const { ids, whole, code } = await diagnosis();
  expect(code).toBe(1);
  expect([...ids].toSorted()).toEqual(
    [
      'connect-check',
      'master-rights',
      'no-drop-in',
      'no-probe',
      'no-state-file',
      'redispatch',
      'start-fails',
      'start-means-nothing',
      'stop-fails',
      'timeout-check',
      'uncounted',
    ].toSorted(),
  );
  expect(whole.unseen).toEqual([]);
});

test('says what the sandbox of the sidecar hides from it, which this command sees', async () => {
  await stock.box.sh(
    `echo 'sessions: [{ files: { path: "/tmp/sess_*", youngerThan: 24m } }]' >>/etc/lastcall/lastcall.yaml`,
  );
  const { whole } = await diagnosis();
  const hidden = whole.traps.find(({ id }) => id === 'private-tmp');
  expect(hidden?.found.join()).toContain('lastcall.service has PrivateTmp=yes');
});

test('is silent once they are cured as the page says', async () => {
  await stock.box.sh(`cd /usr/lib/node_modules/lastcall/deploy
    mkdir -p /etc/systemd/system/tomcat10.service.d
    cp systemd/app.service.d/10-lastcall.conf /etc/systemd/system/tomcat10.service.d/
    cp polkit/50-lastcall.rules /etc/polkit-1/rules.d/
    systemctl daemon-reload && systemctl restart polkit
    echo 'EXTRAOPTS="-S /run/haproxy/master.sock,mode,660,group,haproxy"' >>/etc/default/haproxy
    sed -i -e '/^global/a server-state-file /run/haproxy/server-state' \
      -e '/^defaults/a option redispatch\\ntimeout check 5s\\nload-server-state-from-file global' \
      -e '/^backend app/a option httpchk\\nhttp-check send meth GET uri /health' /etc/haproxy/haproxy.cfg
    systemctl restart haproxy`);
  await stock.box.write('/etc/lastcall/lastcall.yaml', CURED);
  await stock.box.sh('systemctl restart lastcall');
  await untilChecked('L7OK');
  await stock.untilServing();
  const { ids, whole, code } = await diagnosis();
  expect({ ids: ids.filter((id) => id !== 'cut-answer-crash'), unseen: whole.unseen }).toEqual({
    ids: [],
    unseen: [],
  });
  expect(code).toBe(0);
});

test('asked as another user it says that it does not know what the sidecar may', async () => {
  const { stdout } = await stock.box.run(DOCTOR);
  const { unseen } = JSON.parse(stdout) as Diagnosis;
  expect(unseen).toEqual([{ ids: ['other-user'], why: expect.stringContaining('runuser -u lastcall') }]);
});

test('a trial drain through the frontend proves that new users leave and old ones stay', async () => {
  const command = ['runuser', '-u', 'lastcall', '--', ...DOCTOR, '--live', 'http://127.0.0.1/'];
  const { code, stdout } = await stock.box.run(command);
  const { live } = JSON.parse(stdout) as Diagnosis;
  expect(live).toMatchObject({ result: 'proven' });
  expect(code).toBe(0);
  await stock.untilServing();
});

async function untilChecked(status: string): Promise<void> {
  await until(`HAProxy shows ${status}`, async () => {
    const stat = await stock.box.sh(`echo 'show stat app 4 -1' | socat - /run/haproxy/admin.sock || true`);
    return stat.split(status).length === 3;
  });
}

/** deploy/lastcall.yaml, as far as a machine with one Tomcat needs it. */
const CURED = `node: app1
app:
  probe:
    http: { url: "http://127.0.0.1:8080/health" }
  start: { systemd: tomcat10.service }
  stop: { systemd: tomcat10.service }
balancers:
  - haproxy: unix:/run/haproxy/admin.sock
    master: unix:/run/haproxy/master.sock
    servers: [app/app1]
    stateFile: /run/haproxy/server-state
sessions:
  - tomcat: { url: "http://127.0.0.1:8080/manager", user: lastcall, passwordFile: /etc/lastcall/tomcat.password, context: / }
`;
