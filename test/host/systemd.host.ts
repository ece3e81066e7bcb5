import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { openStock, type Stock } from './stock.ts';

/** Stop and start as a unit of systemd, by a user who is not root, with the shipped polkit rule. */

const RULES = '/etc/polkit-1/rules.d/50-lastcall.rules';
let stock: Stock;
beforeAll(async () => {
  stock = await openStock('app1');
  await stock.box.sh(`sed -i 's/^  stop: .*/  stop: { systemd: app1, timeout: 60s }/' \
    /etc/lastcall/lastcall.yaml && lastcall check && systemctl restart lastcall`);
}, 120_000);
afterAll(() => stock?.box.close());
beforeEach(async () => {
  await stock.box.sh('systemctl start lastcall app1');
  await stock.lastcall('ready');
  await stock.untilServing();
});

const show = (property: string, unit = 'app1'): Promise<string> =>
  stock.box.sh(`systemctl show -p ${property} --value ${unit}`);
const json = ({ stdout }: { readonly stdout: string }): Record<string, unknown> =>
  JSON.parse(stdout) as Record<string, unknown>;

describe('Without the right to stop the unit', () => {
  test.each(['stop', 'restart'])('%s is 70 before the first DRAIN, and says what to do', async (verb) => {
    await stock.box.sh(`mv ${RULES} /root/ && systemctl restart polkit`);
    try {
      const pid = await show('MainPID');
      const ended = await stock.lastcall(verb, '--json');
      expect(ended.code).toBe(70);
      expect(json(ended)).toMatchObject({ ok: false, phase: 'serving' });
      // A restart asks for both rights at once.
      expect(ended.stderr).toMatch(/not allowed to (?:stop|start) app1.service/);
      expect(ended.stderr).toContain('polkit');
      expect(await show('MainPID')).toBe(pid);
      const { balancers } = await stock.status();
      expect(balancers[0]?.servers[0]).toMatchObject({ admin: 'ready', applied: null });
    } finally {
      await stock.box.sh(`mv /root/50-lastcall.rules ${RULES} && systemctl restart polkit`);
    }
  });
});

test('stop drains, stops the unit and sees its main process gone; ready starts it again', async () => {
  const crowd = await stock.crowd(4);
  const pid = await show('MainPID');
  const stopped = await stock.lastcall('stop', '--json');
  expect(json(stopped)).toMatchObject({ ok: true, phase: 'stopped', forced: 0 });
  expect(await show('ActiveState')).toBe('inactive');
  expect((await stock.box.run(['test', '-e', `/proc/${pid}`])).code).toBe(1);
  const ready = await stock.lastcall('ready', '--json');
  expect(json(ready)).toMatchObject({ ok: true, phase: 'serving' });
  expect(await show('ActiveState')).toBe('active');
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
});

test('restart is one operation over both jobs, beside the drop-in of the unit', async () => {
  const pid = await show('MainPID');
  const ended = await stock.lastcall('restart', '--json');
  expect(json(ended)).toMatchObject({ ok: true, code: 'done', phase: 'serving' });
  expect(await show('MainPID')).not.toBe(pid);
});

test('a sidecar that is killed in the middle of the stop reads its outcome afterwards', async () => {
  // It does not end by SIGTERM, and systemd kills it after so long.
  await stock.box.sh(`mkdir -p /run/systemd/system/app1.service.d
    printf '[Service]\\nKillSignal=SIGCONT\\nTimeoutStopSec=6s\\n' >/run/systemd/system/app1.service.d/50-slow.conf
    systemctl daemon-reload`);
  try {
    const stop = stock.box.run(['lastcall', 'stop', '--json']);
    await stock.untilStatus('app1 is being stopped', ({ phase }) => phase === 'stopping');
    await stock.box.sh('systemctl kill --kill-who=main --signal=KILL lastcall');
    await stock.untilStatus('it is stopped', ({ phase }) => phase === 'stopped');
    expect(await show('ActiveState')).toBe('failed');
    await stop;
  } finally {
    await stock.box.sh(
      'rm /run/systemd/system/app1.service.d/50-slow.conf && systemctl daemon-reload && systemctl reset-failed app1',
    );
  }
});

test('a unit without a main process ends with all that runs in its control group', async () => {
  await stock.lastcall('stop');
  await stock.box.sh(`mkdir -p /run/systemd/system/app1.service.d
    printf '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=\\nExecStart=/bin/sh -c "/usr/bin/setsid /usr/bin/node %s --node app1 --port 8080 </dev/null >/dev/null 2>&1 &"\\n' \
      /run/in/checkout/dist/test/fixtures/legacy-app.js >/run/systemd/system/app1.service.d/50-oneshot.conf
    systemctl daemon-reload`);
  try {
    expect(json(await stock.lastcall('ready', '--json'))).toMatchObject({ ok: true, phase: 'serving' });
    expect(await show('MainPID')).toBe('0');
    const pid = await stock.box.sh('pgrep -f "legacy-app.js --node app1"');
    expect(json(await stock.lastcall('stop', '--json'))).toMatchObject({ ok: true, phase: 'stopped' });
    expect((await stock.box.run(['test', '-e', `/proc/${pid}`])).code).toBe(1);
  } finally {
    await stock.box.sh(
      'rm /run/systemd/system/app1.service.d/50-oneshot.conf && systemctl daemon-reload && systemctl stop app1',
    );
  }
});
