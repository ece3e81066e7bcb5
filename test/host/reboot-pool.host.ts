import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Status } from '../../agent/lifecycle/model/api.ts';
import type { PoolReport } from '../../agent/lifecycle/model/pool-report.ts';
import { until } from '../support/until.ts';
import { type AuditLine, auditLines } from './audit-lines.ts';
import type { BoxOutcome } from './box.ts';
import { openStock, type Stock, TERM_LOG } from './stock.ts';

/**
 * The reboot of a machine whose node shares a lock with another one. The lock is a file that survives the boot. app2 stands
 * for a node of another machine: its control socket is not where app1 looks for the nodes that go down with it.
 */

const STATE = '/var/lib/lastcall';
const SOCKET = `${STATE}/app2.sock`;
const NEEDED = '/run/reboot-required';
const LOCK = `pool: { name: app, slots: 1, brake: 1 }\nlock: { file: ${STATE}/pool.lock }\n`;
const OWN = `audit: /var/log/lastcall/app1.log\n${LOCK}`;
const WINDOW = `schedule:
  - { cron: '* * * * * *', do: reboot, reason: patches, when: { file: ${NEEDED} } }
`;
const APP2 = `node: app2
app: { probe: { http: { url: "http://127.0.0.1:8081/health" } } }
balancers:
  - haproxy: unix:/run/haproxy/admin.sock
    master: unix:/run/haproxy/master.sock
    servers: [app/app2]
sessions:
  - http: { url: "http://127.0.0.1:8081/sessions" }
listen: { control: ${SOCKET} }
state: ${STATE}/app2.json
audit: /var/log/lastcall/app2.log
${LOCK}`;

let stock: Stock;
beforeAll(async () => {
  stock = await openStock('app1', OWN);
  const { box } = stock;
  await box.write('/etc/lastcall/app2.yaml', APP2);
  await box.sh(`cd /etc/systemd/system
    sed -e 's,lastcall run -c /etc/lastcall/lastcall.yaml,lastcall run -c /etc/lastcall/app2.yaml,' \\
      -e 's,lastcall status,lastcall --socket ${SOCKET} status,' lastcall.service >lastcall2.service
    cp -r lastcall.service.d lastcall2.service.d
    systemctl daemon-reload
    systemctl enable --quiet --now lastcall2`);
}, 120_000);
afterAll(() => stock?.box.close());
beforeEach(async () => {
  await until('app2 is there', async () => (await app2('status')).code === 0);
  await app2('ready', '--quiet');
  await stock.untilServing();
  await stock.box.sh(`truncate --no-create --size=0 ${TERM_LOG} /var/log/lastcall/app?.log`);
});

const app2 = (...words: readonly string[]): Promise<BoxOutcome> =>
  stock.box.run(['lastcall', '--socket', SOCKET, ...words]);
const bootId = (): Promise<string> => stock.box.sh('cat /proc/sys/kernel/random/boot_id');
const holders = async (): Promise<readonly string[]> => {
  const { stdout } = await app2('status', '--pool', '--json');
  const { lock } = JSON.parse(stdout) as PoolReport;
  return (lock?.holders ?? []).map(({ node, operation, state }) => `${node} ${operation} ${state}`);
};
/** An entry of every second misses those of the boot. */
const reboots = (lines: readonly AuditLine[]): AuditLine[] =>
  lines.filter(({ operation, event }) => operation === 'reboot' && event !== 'missed');
const events = (lines: readonly AuditLine[]): string[][] =>
  reboots(lines).map(({ event, code }) => (code === undefined ? [event] : [event, code]));
const untilAway = (): Promise<unknown> =>
  stock.untilStatus('app1 drains', ({ phase, balancers }) => {
    return phase === 'draining' && balancers[0]?.servers[0]?.admin === 'drain';
  });

test('The schedule reboots once, with a slot that it keeps over the boot: the node that waits for it begins after that', async () => {
  const before = await bootId();
  const crowd = await stock.crowd(6, 600_000);
  await stock.configure(OWN + WINDOW);
  await stock.box.sh('systemctl reload lastcall');
  await stock.box.sh(`echo '*** System restart required ***' >${NEEDED}`);
  await untilAway();
  expect(await holders()).toEqual(['app1 reboot out']);
  // app1 is in DRAIN, so app2 is the last one: it waits all the same.
  expect((await app2('drain', '--no-wait', '--wait-for-slot', '10m')).code).toBe(0);
  expect((await app2('status')).stdout).toMatch(/waits: app1 holds a slot .*\(reboot by .*patches\)/);
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  await stock.box.untilOff();
  await stock.box.boot();
  const after = await bootId();
  expect(after).not.toBe(before);
  const drained = await until('app2 is drained', async () => {
    const { code, stdout } = await app2('status', '--json');
    const status = code === 0 && (JSON.parse(stdout) as Status);
    return status && status.phase === 'drained' && status;
  });
  expect(await stock.status()).toMatchObject({ phase: 'serving', slot: { is: 'none' } });
  const lines = await auditLines(stock.box, 'app1');
  expect(events(lines)).toEqual([['begin'], ['resume'], ['end', 'done']]);
  expect(new Set(reboots(lines).map(({ id }) => id)).size).toBe(1);
  // Without users at app2 its drain takes a second.
  const ended = reboots(lines).find(({ event }) => event === 'end');
  expect(Date.parse(drained.since) - Date.parse(ended?.time ?? '')).toBeGreaterThan(0);
  expect(await holders()).toEqual(['app2 drain out']);
  expect((await app2('ready')).code).toBe(0);
  expect(await holders()).toEqual([]);
  expect(await bootId()).toBe(after);
  expect((await stock.box.sh(`cat ${TERM_LOG}`)).split('\n')).toEqual([expect.stringMatching(/^TERM 0 /)]);
});

test('A power cut between the drain and the reboot: no reboot, the slot is kept and named, `ready` gives it back', async () => {
  const unit = '/etc/systemd/system/app1.service.d/slow.conf';
  // The stop lasts until the power cut; and nothing but an operator brings the node back after it.
  await stock.box.write(unit, '[Service]\nExecStop=/bin/sleep 300\n');
  await stock.configure(OWN);
  await stock.box.sh(`systemctl disable --quiet app1
    systemctl daemon-reload
    systemctl restart lastcall`);
  await stock.untilServing();
  const caller = stock.box.start(['lastcall', 'reboot', '--reason', 'patches']);
  await stock.untilStatus('app1 is being stopped', ({ phase }) => phase === 'stopping');
  // The box does not end at once: without its systemd the sidecar would see the stop fail.
  await stock.box.sh('systemctl kill --kill-whom=main -s STOP lastcall');
  await stock.box.cut();
  await caller.ended;
  await stock.box.boot();
  const after = await bootId();
  await stock.untilStatus('app1 has failed', ({ phase, operation }) => {
    return phase === 'failed' && operation === null;
  });
  await until('its slot says so', async () => (await holders()).join() === 'app1 reboot failed');
  expect(await app2('drain', '--wait-for-slot', '10m', '--json')).toMatchObject({
    code: 75,
    stdout: expect.stringMatching(/"code":"braked".*app1 did not come back \(.*a power cut/),
  });
  const lines = await auditLines(stock.box, 'app1');
  expect(events(lines)).toEqual([['begin'], ['resume'], ['end', 'failed']]);
  expect(await bootId()).toBe(after);
  await stock.box.sh(`rm ${unit} && systemctl daemon-reload && systemctl enable --quiet app1`);
  expect(await stock.lastcall('ready')).toMatchObject({ code: 0 });
  expect(await holders()).toEqual([]);
  expect((await app2('drain', '--reason', 'next')).code).toBe(0);
  expect((await app2('ready')).code).toBe(0);
});
