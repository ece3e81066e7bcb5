import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { openStock, type Stock, TERM_LOG } from './stock.ts';

const DRAIN_S = 15;
let stock: Stock;
beforeAll(async () => {
  stock = await openStock('app1');
}, 120_000);
afterAll(() => stock?.box.close());
beforeEach(async () => {
  await stock.untilServing();
});

const bootId = (): Promise<string> => stock.box.sh('cat /proc/sys/kernel/random/boot_id');

test('`systemctl poweroff` drains before the application ends, and after the boot the node serves again', async () => {
  const before = await bootId();
  const crowd = await stock.crowd(6, 600_000);
  await stock.box.sh('systemctl poweroff');
  await stock.untilStatus('app1 drains', ({ phase }) => phase === 'draining');
  // HAProxy and the sidecar are there for as long as users are.
  expect(await stock.box.sh('systemctl show -p ActiveState --value app1 haproxy lastcall')).toBe(
    'deactivating\n\nactive\n\nactive',
  );
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  await stock.box.untilOff();
  await stock.box.boot();
  expect(await bootId()).not.toBe(before);
  expect((await stock.box.sh(`cat ${TERM_LOG}`)).split('\n')).toEqual([expect.stringMatching(/^TERM 0 /)]);
  await stock.untilServing();
});

test('A poweroff with a session source that is down drains all the same, until its deadline', async () => {
  await stock.configure('  - http: { url: "http://127.0.0.1:9/sessions" }\n');
  await stock.box
    .sh(`sed -i 's/--timeout 30m/--timeout ${DRAIN_S}s/' /etc/systemd/system/app1.service.d/10-lastcall.conf
    : >${TERM_LOG}
    systemctl daemon-reload
    systemctl restart lastcall`);
  await stock.untilServing();
  expect((await stock.status()).sessions.total).toBeNull();
  const crowd = await stock.crowd(6, 600_000);
  const began = performance.now();
  await stock.box.sh('systemctl poweroff');
  await stock.untilStatus('app1 drains', ({ phase, balancers }) => {
    return phase === 'draining' && balancers[0]?.servers[0]?.admin === 'drain';
  });
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  await stock.box.untilOff();
  expect(performance.now() - began).toBeGreaterThan(DRAIN_S * 1_000);
  await stock.box.boot();
  expect((await stock.box.sh(`cat ${TERM_LOG}`)).split('\n')).toEqual([expect.stringMatching(/^TERM 0 /)]);
});

test('A poweroff while the sidecar is down and cannot be started: it is drained without it', async () => {
  await stock.configure('');
  await stock.box
    .sh(`sed -i 's/--timeout ${DRAIN_S}s/--timeout 5m/' /etc/systemd/system/app1.service.d/10-lastcall.conf
    : >${TERM_LOG}
    systemctl daemon-reload
    systemctl restart lastcall`);
  await stock.untilServing();
  const crowd = await stock.crowd(6, 600_000);
  await stock.box.sh(`systemctl mask --quiet --runtime lastcall
    systemctl kill --kill-whom=main -s KILL lastcall
    systemctl poweroff`);
  // The sidecar is waited for during half a minute.
  await stock.box.sh(`for second in $(seq 90); do
      echo 'show stat app 4 -1' | socat - /run/haproxy/admin.sock | grep -q '^app,app1,.*,DRAIN,' && exit 0
      sleep 1
    done
    exit 1`);
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  await stock.box.untilOff();
  await stock.box.boot();
  expect((await stock.box.sh(`cat ${TERM_LOG}`)).split('\n')).toEqual([expect.stringMatching(/^TERM 0 /)]);
  // The record was left to the sidecar's user.
  await stock.untilServing();
});
