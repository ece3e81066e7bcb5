import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { cellOf } from '../support/haproxy.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';
import { debianInstaller, type DebianPackages, makeDebianPackages } from './debian-package.ts';
import type { Crowd } from './crowd-outside.ts';
import { openStock, type Stock, TERM_LOG } from './stock.ts';

/** The Debian package on a stock machine: what dpkg does, while users are on the node. */

const MEGABYTES = 5;
let temp: TempDir;
let packages: DebianPackages;
let stock: Stock;
/** What the machine showed after the installation, before there was a configuration. */
let installed: Readonly<Record<string, string>>;

beforeAll(async () => {
  temp = await makeTempDir();
  packages = await makeDebianPackages(temp.path);
  const { install, deploy } = debianInstaller(packages);
  const inspect = async (box: Stock['box']): Promise<void> => {
    await install(box);
    const look = (script: string): Promise<string> => box.sh(`${script} || true`);
    installed = {
      version: await look('lastcall --version'),
      altered: await look('dpkg --verify lastcall'),
      active: await look('systemctl is-active lastcall'),
      enabled: await look('systemctl is-enabled lastcall'),
      groups: await look('id -nG lastcall'),
      configuration: await look('ls /etc/lastcall'),
      lock: await look('stat -c "%a %U %G" /run/lock/lastcall'),
      bash: await look(
        'bash -c "source /usr/share/bash-completion/completions/lastcall && complete -p lastcall"',
      ),
      checked: await look(`CONF_PASSWORD=x lastcall check -c ${deploy}/lastcall.yaml`),
      manual: await look('man --where lastcall'),
      examples: await look('ls /usr/share/doc/lastcall/examples/'),
    };
  };
  stock = await openStock('app1', '', [`${temp.path}:/run/in/debian`], { install: inspect, deploy });
}, 180_000);
afterAll(async () => {
  await stock?.box.close();
  await temp.remove();
});

async function serve(): Promise<void> {
  await stock.box.sh('systemctl start lastcall app1');
  await stock.untilServing();
}

const show = (unit: string, property: string): Promise<string> =>
  stock.box.sh(`systemctl show -p ${property} --value ${unit}`);
/** The last SIGTERM of the application: the sessions that it lost. */
const lostAtTerm = async (): Promise<string | undefined> =>
  (await stock.box.sh(`tail -n 1 ${TERM_LOG}`)).split(' ')[1];
/** HAProxy's word for app1, the first server of its backend. */
const admin = async (): Promise<string | undefined> =>
  cellOf(await stock.box.sh("echo 'show stat app 4 -1' | socat - /run/haproxy/admin.sock"), 'status');
async function leave(crowd: Crowd): Promise<void> {
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
}

test('The package is small, installs the program and its user, and starts nothing', () => {
  process.stderr.write(`Debian package: ${Math.ceil(packages.bytes / 1_000)} kB\n`);
  expect(packages.bytes).toBeLessThan(MEGABYTES * 1_000_000);
  expect(installed).toEqual({
    version: packages.version,
    altered: '',
    active: 'inactive',
    enabled: 'disabled',
    groups: 'lastcall haproxy',
    configuration: '',
    lock: '2770 root lastcall',
    bash: expect.stringContaining('lastcall'),
    checked: expect.stringContaining(': ok (node '),
    manual: '/usr/share/man/man1/lastcall.1.gz',
    examples: 'deploy\nhaproxy',
  });
});

test('An upgrade in the middle of a drain goes on with the same operation, and no command fails meanwhile', async () => {
  await serve();
  const crowd = await stock.crowd(4, 600_000);
  const stop = stock.box.run(['systemctl', 'stop', 'app1']);
  const { operation } = await stock.untilStatus('app1 drains', ({ phase }) => phase === 'draining');
  const pid = await show('lastcall', 'MainPID');
  const upgrade = await stock.box.sh(`
    (while test ! -e /run/upgraded; do lastcall --version || echo failed; done >/run/versions 2>&1) & loop=$!
    dpkg --install --force-depends ${packages.next.path}
    touch /run/upgraded && wait $loop && sort /run/versions | uniq`);
  // Each start meanwhile was one of the old version or one of the new one.
  expect(upgrade.split('\n').slice(-2)).toEqual([packages.version, packages.next.version]);
  expect(upgrade).not.toContain('failed');
  expect(await show('lastcall', 'MainPID')).not.toBe(pid);
  const after = await stock.untilStatus('the drain goes on', ({ phase }) => phase === 'draining');
  expect(after.operation?.id).toBe(operation?.id);
  expect(await show('app1', 'ActiveState')).toBe('deactivating');
  await leave(crowd);
  expect(await stop).toMatchObject({ code: 0 });
  expect(await lostAtTerm()).toBe('0');
});

test('A removal in the middle of a drain says how the node is left, and `systemctl stop` waits for the users all the same', async () => {
  await serve();
  const crowd = await stock.crowd(4, 600_000);
  const stop = stock.box.run(['systemctl', 'stop', 'app1']);
  await stock.untilStatus('app1 drains', ({ phase }) => phase === 'draining');
  const removed = await stock.box.run(['dpkg', '--remove', 'lastcall']);
  expect(removed).toMatchObject({ code: 0 });
  expect(removed.stderr).toContain("the phase of this node is 'draining'");
  expect(removed.stderr).toContain(
    '/etc/systemd/system/app1.service.d/10-lastcall.conf calls /usr/bin/lastcall',
  );
  expect((await stock.box.run(['lastcall', '--version'])).code).toBe(127);
  expect(await show('lastcall', 'ActiveState')).toBe('inactive');
  expect(await admin()).toContain('DRAIN');
  // The command of the drop-in has loaded all that it needs, and drains in the sidecar's place after half a minute.
  for (const words of ['the sidecar has ended; asking again', 'draining by the record']) {
    await until(`the drop-in says: ${words}`, async () =>
      (await stock.journal('app1')).some(({ text }) => text.includes(words)),
    );
  }
  expect(await show('app1', 'ActiveState')).toBe('deactivating');
  await leave(crowd);
  expect(await stop).toMatchObject({ code: 0 });
  expect(await lostAtTerm()).toBe('0');
  expect(await admin()).toBe('MAINT');
});

test('An installation after a removal goes on with the record, and a purge leaves the user alone', async () => {
  await stock.box.sh(`dpkg --install --force-depends ${packages.path} && systemctl start lastcall`);
  await stock.untilStatus('it knows of the drain', ({ phase }) => phase === 'drained' || phase === 'stopped');
  await stock.lastcall('ready');
  await stock.untilServing();
  const crowd = await stock.crowd(4, 600_000);
  const purged = await stock.box.run(['dpkg', '--purge', 'lastcall']);
  expect(purged).toMatchObject({ code: 0, stderr: expect.not.stringContaining('phase') });
  // Serving: app1 takes users as before.
  expect(await admin()).toBe('UP');
  await leave(crowd);
  const left = await stock.box.sh(
    'ls -d /etc/lastcall /var/lib/lastcall /var/log/lastcall /usr/lib/lastcall /usr/share/lastcall 2>/dev/null || true',
  );
  expect(left).toBe('');
  expect(await stock.box.sh('find /etc/systemd -xtype l; getent passwd lastcall | cut -d : -f 1')).toBe(
    'lastcall',
  );
});
