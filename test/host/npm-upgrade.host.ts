import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { textOf } from '../support/repository.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import type { BoxOutcome } from './box.ts';
import type { Crowd } from './crowd-outside.ts';
import { buildAs, ownVersion } from './next-version.ts';
import { openStock, type Stock, TERM_LOG } from './stock.ts';

/** `npm install --global` of a newer archive on a stock machine, while users are on the node and it drains. */

const execute = promisify(execFile);
const NEXT = '0.99.0';
/** Where the archive of the newer version is seen in the box. */
const ARCHIVES = '/run/in/next';
/** The page of the package, to which npm links the place where `man` looks. */
const MAN_PAGE = '/usr/lib/node_modules/lastcall/dist/man/lastcall.1';

let temp: TempDir;
let version: string;
let stock: Stock;
let crowd: Crowd;
beforeAll(async () => {
  temp = await makeTempDir();
  version = await ownVersion();
  const copy = await buildAs(NEXT, temp.path);
  await execute('npm', ['pack', '--silent', '--pack-destination', temp.path], { cwd: copy });
  stock = await openStock('app1', '', [
    `${temp.path}:${ARCHIVES}`,
    `${dirname(process.env['LASTCALL_PACKAGE'] ?? '')}:/run/in/archive`,
  ]);
}, 240_000);
afterAll(async () => {
  await stock?.box.close();
  await temp.remove();
});

/** What an operator types; without a network, as on many a node. */
const npm = (archive: string, prefix = '/usr'): string[] => [
  'npm',
  'install',
  '--global',
  '--offline',
  '--prefix',
  prefix,
  archive,
];
const next = join(ARCHIVES, `lastcall-${NEXT}.tgz`);
const show = (unit: string, property: string): Promise<string> =>
  stock.box.sh(`systemctl show -p ${property} --value ${unit}`);
const startsAs = async (): Promise<string> => (await stock.lastcall('--version')).stdout.trim();
const draining = () => stock.untilStatus('app1 drains', ({ phase }) => phase === 'draining');

/** The first version again, a sidecar of it, and users. */
beforeEach(async () => {
  expect(await stock.box.run(npm(`/run/in/archive/lastcall-${version}.tgz`))).toMatchObject({ code: 0 });
  await stock.box.sh('systemctl restart lastcall && systemctl start app1');
  await stock.untilServing();
  expect(await startsAs()).toBe(version);
  crowd = await stock.crowd(4, 600_000);
});

/** The users leave of their own accord, and none of them, and no request, was lost; nor by the end of the application. */
async function untilAllLeft(stop: Promise<BoxOutcome>): Promise<void> {
  const { failed, lost, failures } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  expect(await stop).toMatchObject({ code: 0 });
  expect((await stock.box.sh(`tail -n 1 ${TERM_LOG}`)).split(' ')[1]).toBe('0');
}

describe('npm install --global of a newer version in the middle of a drain', () => {
  test('leaves the sidecar at its work, which the new version ends after a restart under the same id', async () => {
    const stop = stock.box.run(['systemctl', 'stop', 'app1']);
    const { operation } = await draining();
    const pid = await show('lastcall', 'MainPID');
    expect(await stock.box.run(npm(next))).toMatchObject({ code: 0 });
    expect(await startsAs()).toBe(NEXT);
    expect(await stock.box.sh('readlink -f /usr/share/man/man1/lastcall.1')).toBe(MAN_PAGE);
    expect(await stock.box.sh('readlink -f "$(man --where lastcall)"')).toBe(MAN_PAGE);
    // npm calls no systemd: the old program goes on, and the new command speaks with it.
    expect(await show('lastcall', 'MainPID')).toBe(pid);
    expect((await draining()).operation?.id).toBe(operation?.id);
    await stock.box.sh('systemctl restart lastcall');
    expect(await show('lastcall', 'MainPID')).not.toBe(pid);
    expect((await draining()).operation?.id).toBe(operation?.id);
    expect(await show('app1', 'ActiveState')).toBe('deactivating');
    await untilAllLeft(stop);
    // The command of the drop-in, which is of the version before, has its result from the version after.
    expect((await stock.journal('app1')).map(({ text }) => text).join('\n')).toMatch(/drain of \S+ done in /);
    await stock.untilStatus('app1 is out', ({ phase }) => phase === 'drained' || phase === 'stopped');
  });

  test('is survived without any restart: a waiting command gets its result from the old sidecar', async () => {
    const stop = stock.box.run(['lastcall', 'stop', '--json', '--reason', 'upgrade']);
    const { operation } = await draining();
    expect(await stock.box.run(npm(next))).toMatchObject({ code: 0 });
    await untilAllLeft(stop);
    expect(JSON.parse((await stop).stdout)).toMatchObject({
      ok: true,
      code: 'done',
      id: operation?.id,
      forced: 0,
    });
  });

  test('`systemctl stop` that comes while there is no program waits for it, and for the users', async () => {
    const installed = stock.box.run(npm(next));
    const words = 'while test -x /usr/bin/lastcall; do :; done; exec systemctl stop app1';
    const stop = stock.box.run(['sh', '-c', words]);
    await draining();
    expect(await installed).toMatchObject({ code: 0 });
    await untilAllLeft(stop);
  });

  test('into a place of its own, as deploy/operations.md says, leaves no moment without a program', async () => {
    const [, block = ''] =
      /^## An upgrade of the program\n[^]*?```sh\n([^]*?)```/m.exec(textOf('deploy/operations.md')) ?? [];
    const steps = block.replaceAll('0.2.0', NEXT);
    expect(steps).toContain(`/opt/lastcall/${NEXT}`);
    const stop = stock.box.run(['systemctl', 'stop', 'app1']);
    const { operation } = await draining();
    const starts = await stock.box.sh(`cd ${ARCHIVES}
      (while test ! -e /run/upgraded; do lastcall --version || echo failed; done >/run/versions 2>&1) & loop=$!
      ${steps}
      touch /run/upgraded && wait $loop && sort /run/versions | uniq`);
    expect(starts.split('\n').slice(-2)).toEqual([version, NEXT]);
    expect(starts).not.toContain('failed');
    expect((await draining()).operation?.id).toBe(operation?.id);
    await untilAllLeft(stop);
  });
});
