import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type AuditLine, auditLines } from './audit-lines.ts';
import type { BoxOutcome } from './box.ts';
import { openStock, type Stock, TERM_LOG } from './stock.ts';

/** `lastcall reboot` on a real machine: systemd, logind and polkit with the shipped rule, by a user who is not root. */

const RULE = '/etc/polkit-1/rules.d/51-lastcall-reboot.rules';
const AUDIT = 'audit: /var/log/lastcall/app1.log\n';
const INHIBIT = `systemd-run --quiet --unit=inhibitor systemd-inhibit --what=shutdown:sleep --who=apt \\
    '--why=Upgrading packages' --mode=block sleep 600
  until systemd-inhibit --list | grep -q Upgrading; do sleep 0.1; done`;
let stock: Stock;
beforeAll(async () => {
  stock = await openStock('app1', AUDIT);
}, 120_000);
afterAll(() => stock?.box.close());
beforeEach(async () => {
  await stock.untilServing();
  await stock.box.sh(`truncate --no-create --size=0 ${TERM_LOG} /var/log/lastcall/app1.log`);
});

const bootId = (): Promise<string> => stock.box.sh('cat /proc/sys/kernel/random/boot_id');
const terms = async (): Promise<string[]> =>
  (await stock.box.sh(`cat ${TERM_LOG} 2>/dev/null || true`)).split('\n').filter((line) => line !== '');
const audited = (): Promise<readonly AuditLine[]> => auditLines(stock.box, 'app1');
const json = ({ stdout }: BoxOutcome): Record<string, unknown> =>
  JSON.parse(stdout) as Record<string, unknown>;
const admin = async (): Promise<string | null | undefined> =>
  (await stock.status()).balancers[0]?.servers[0]?.admin;

test('`lastcall reboot` waits for the users, reboots once, and after the boot the node serves: one operation', async () => {
  const before = await bootId();
  const crowd = await stock.crowd(6, 600_000);
  const caller = stock.box.start(['lastcall', 'reboot', '--json', '--reason', 'kernel']);
  await stock.untilStatus('app1 drains', ({ phase, balancers }) => {
    return phase === 'draining' && balancers[0]?.servers[0]?.admin === 'drain';
  });
  expect(await terms()).toEqual([]);
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  await stock.box.untilOff();
  const waited = await caller.ended;
  // The machine may end it between its last line and its exit.
  expect([143, null]).toContain(waited.code);
  expect({ ...waited, result: json(waited) }).toMatchObject({
    result: { ok: false, code: 'interrupted', operation: 'reboot', reason: 'kernel' },
  });
  expect(waited.stderr).toContain('has begun');
  await stock.box.boot();
  expect(await bootId()).not.toBe(before);
  await stock.untilServing();
  expect(await terms()).toEqual([expect.stringMatching(/^TERM 0 /)]);
  const lines = await audited();
  const reboots = lines.filter(({ operation }) => operation === 'reboot');
  expect(reboots.map(({ event, code }) => [event, code ?? null])).toEqual([
    ['begin', null],
    ['resume', null],
    ['end', 'done'],
  ]);
  expect(new Set(reboots.map(({ id }) => id)).size).toBe(1);
});

test('The schedule reboots where /run/reboot-required is there, once, by an operation of its own', async () => {
  const entry =
    "  - { cron: '* * * * * *', do: reboot, reason: patches, when: { file: /run/reboot-required } }\n";
  await stock.configure(`${AUDIT}schedule:\n${entry}`);
  await stock.box.sh('systemctl reload lastcall');
  const before = await bootId();
  await stock.box.sh('echo "*** System restart required ***" >/run/reboot-required');
  await stock.box.untilOff();
  await stock.box.boot();
  const after = await bootId();
  expect(after).not.toBe(before);
  await stock.untilServing();
  await stock.configure(AUDIT);
  await stock.box.sh('systemctl reload lastcall');
  // An entry of every second misses those of the boot.
  const reboots = (await audited()).filter(
    ({ operation, event }) => operation === 'reboot' && event !== 'missed',
  );
  expect(reboots.map(({ event, code }) => [event, code ?? null])).toEqual([
    ['begin', null],
    ['resume', null],
    ['end', 'done'],
  ]);
  expect(new Set(reboots.map(({ id }) => id)).size).toBe(1);
  expect(await bootId()).toBe(after);
});

test('An application that does not start after the boot: the node stays out, and its end is in the audit', async () => {
  const unit = '/etc/systemd/system/app1.service';
  await stock.box.sh(`cp ${unit} /root/ && sed -i 's,^ExecStart=.*,ExecStart=/bin/false,' ${unit}`);
  try {
    // The unit is of Type=simple, so its start succeeds, and only the probe knows better: until `return.timeout`.
    await stock.configure(`${AUDIT}return: { timeout: 10s }\n`);
    await stock.box.sh('systemctl daemon-reload && systemctl restart lastcall');
    stock.box.start(['lastcall', 'reboot']);
    await stock.box.untilOff();
    await stock.box.boot();
    await stock.untilStatus(
      'app1 has failed',
      ({ phase, operation }) => phase === 'failed' && operation === null,
    );
    // HAProxy has booted too, and came up READY: DRAIN comes before MAINT, which follows once no application is seen (I16).
    await stock.untilStatus('it is fenced', ({ balancers }) => balancers[0]?.servers[0]?.admin === 'maint');
    expect((await audited()).findLast(({ event }) => event === 'end')).toMatchObject({
      operation: 'reboot',
      code: 'app-health',
    });
  } finally {
    await stock.configure(AUDIT);
    await stock.box.sh(
      `mv /root/app1.service ${unit} && systemctl daemon-reload && systemctl restart lastcall`,
    );
  }
  expect((await stock.lastcall('ready')).code).toBe(0);
});

test('A power cut during the drain: the reboot ends, and is not asked for after the boot', async () => {
  await stock.crowd(6, 600_000);
  const caller = stock.box.start(['lastcall', 'reboot']);
  await stock.untilStatus('app1 drains', ({ phase, balancers }) => {
    return phase === 'draining' && balancers[0]?.servers[0]?.admin === 'drain';
  });
  const before = await bootId();
  await stock.box.cut();
  await caller.ended;
  await stock.box.boot();
  const after = await bootId();
  expect(after).not.toBe(before);
  // The application that the boot has started asks for `ready` itself, by the shipped drop-in.
  await stock.untilServing();
  expect((await audited()).find(({ event }) => event === 'end')).toMatchObject({
    operation: 'reboot',
    code: 'failed',
    message: expect.stringContaining('a power cut'),
  });
  expect(await bootId()).toBe(after);
});

describe('Refused before anything is changed', () => {
  test('while another process inhibits a shutdown, which is named', async () => {
    await stock.box.sh(INHIBIT);
    const ended = await stock.lastcall('reboot', '--json');
    expect({ ...ended, result: json(ended) }).toMatchObject({
      code: 75,
      stderr: expect.stringContaining('apt (Upgrading packages)'),
      result: { code: 'busy', phase: 'serving' },
    });
    expect(await admin()).toBe('ready');
    await stock.box.sh('systemctl stop inhibitor');
  });

  test('without the rule of polkit', async () => {
    await stock.box.sh(`mv ${RULE} /root/ && systemctl restart polkit`);
    const ended = await stock.lastcall('reboot', '--json');
    expect({ ...ended, result: json(ended) }).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('51-lastcall-reboot.rules'),
      result: { code: 'not-permitted', phase: 'serving' },
    });
    expect(await admin()).toBe('ready');
    await stock.box.sh(`mv /root/51-lastcall-reboot.rules ${RULE} && systemctl restart polkit`);
  });
});

describe('A reboot that does not come', () => {
  /** Up to the drain, in which `change` takes away what had been proven; then the users leave. */
  async function refusedAfter(change: string): Promise<BoxOutcome> {
    const crowd = await stock.crowd(4, 600_000);
    const caller = stock.box.start(['lastcall', 'reboot']);
    await stock.untilStatus('app1 drains', ({ phase }) => phase === 'draining');
    await stock.box.sh(change);
    await crowd.leave();
    return caller.ended;
  }

  test('because an inhibitor was taken meanwhile: it ends 1 and names it, the node stays out, `ready` brings it back', async () => {
    const ended = await refusedAfter(INHIBIT);
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('apt (Upgrading packages)') });
    const { phase, operation } = await stock.status();
    expect({ phase, operation, admin: await admin() }).toEqual({
      phase: 'failed',
      operation: null,
      admin: 'maint',
    });
    await stock.box.sh('systemctl stop inhibitor');
    expect((await stock.lastcall('ready')).code).toBe(0);
  });

  test('because the right was taken away meanwhile: systemctl is refused, and says so', async () => {
    const ended = await refusedAfter(`mv ${RULE} /root/ && systemctl restart polkit`);
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('systemctl reboot was refused') });
    expect(await admin()).toBe('maint');
    await stock.box.sh(`mv /root/51-lastcall-reboot.rules ${RULE} && systemctl restart polkit`);
    expect((await stock.lastcall('ready')).code).toBe(0);
  });
});
