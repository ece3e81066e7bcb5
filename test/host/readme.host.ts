import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../support/sample.ts';
import { until } from '../support/until.ts';
import { type Box, openBox } from './box.ts';
import { startCrowd } from './crowd-outside.ts';
import { installApp, installHaproxy, installWebapp } from './stock.ts';

// What README.md says under "Install", run as it stands on a stock Debian with nothing of lastcall but its archive.

const README = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
const BLOCK = /^## Install\n[^]*?```sh\n([^]*?)```/m.exec(README)?.[1] ?? '';
/** Where `npm pack` has put its archive (package.ts). */
const ARCHIVE = '/run/in/archive';

let box: Box;
beforeAll(async () => {
  const prefix = process.env['LASTCALL_PACKAGE'];
  if (prefix === undefined)
    throw new Error('run these tests by `npm run test:host`, which makes the package');
  box = await openBox([`${dirname(prefix)}:${ARCHIVE}`, `${packageRoot()}:/run/in/checkout`]);
  await box.sh(`test -e /usr/bin/node || ln -s ${process.execPath} /usr/bin/node`);
  // Nothing that README does not name: no master socket, and HAProxy checks the port alone.
  await installHaproxy(box, 'stock');
  await installWebapp(box);
  await installApp(box, 'app2', 8081);
  await box.sh('systemctl daemon-reload && systemctl start haproxy tomcat10 app2');
  const up = (): Promise<string> =>
    box.sh(`echo 'show stat app 4 -1' | socat - /run/haproxy/admin.sock | grep -c ',UP,' || true`);
  await until('one server is up', async () => (await up()) !== '0');
  // Tomcat takes 16 seconds, and on a busy machine more than a minute.
  await until('Tomcat answers', async () => {
    // Its page as well, which is long in compiling for the first user; /logout leaves no session behind.
    const pages = ['http://127.0.0.1:8080/health', 'http://127.0.0.1:8080/logout'];
    return (await box.run(['curl', '-fs', ...pages])).code === 0;
  });
  await until('both servers are up', async () => (await up()) === '2');
}, 180_000);
afterAll(() => box?.close());

test('has at most 15 lines and 12 commands', () => {
  const lines = BLOCK.trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(5);
  expect(lines.length).toBeLessThanOrEqual(15);
  expect(lines.filter((line) => !line.startsWith('#')).length).toBeLessThanOrEqual(12);
});

test('leads from the archive to the first restart of tomcat10, under users of whom none loses anything', async () => {
  const before = await box.sh('systemctl show -p MainPID --value tomcat10');
  const crowd = await startCrowd(box);
  const { code, stdout, stderr } = await box.run(['bash', '-ec', `cd ${ARCHIVE}\n${BLOCK}`]);
  expect(code === 0 ? '' : `${code}: ${stdout}${stderr}`).toBe('');
  expect(stdout).toMatch(/restart of \S+ done in .*: serving/);
  expect(await box.sh('systemctl show -p MainPID --value tomcat10')).not.toBe(before);
  const { failed, lost, failures, nodes } = await crowd.leave();
  expect({ failed, lost, failures }).toEqual({ failed: 0, lost: 0, failures: [] });
  expect(nodes['app1']?.requests).toBeGreaterThan(0);
});

test('leaves no trap that breaks a drain: doctor names what HAProxy is asked for, and nothing of this machine', async () => {
  const doctor = await box.run(['runuser', '-u', 'lastcall', '--', 'lastcall', 'doctor', '--json']);
  const { traps } = JSON.parse(doctor.stdout) as {
    readonly traps: readonly { readonly id: string; readonly severity: string }[];
  };
  expect(traps.filter(({ severity }) => severity === 'breaks')).toEqual([]);
  expect(traps.map(({ id }) => id)).toEqual(['connect-check', 'no-state-file']);
});
