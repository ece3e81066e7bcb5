import { afterEach, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createUsers, type Users } from '../fixtures/users.ts';
import { createLegacyNode, type LegacyNode } from '../support/legacy-node.ts';
import { freePort } from '../support/ports.ts';
import { recipeConfig } from '../support/recipes.ts';
import { startSample, type Sample } from '../support/sample.ts';
import { startSidecar, type Sidecar } from '../support/sidecar.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { createTomcat, unpackTomcat, USER, type Tomcat } from '../support/tomcat.ts';

let temp: TempDir | undefined;
let tomcat: Tomcat | undefined;
let haproxy: Sample | undefined;
let sidecar: Sidecar | undefined;
let users: Users | undefined;
const others: LegacyNode[] = [];
afterEach(async () => {
  await users?.stop();
  await sidecar?.stop();
  await haproxy?.stop();
  for (const other of others.splice(0)) await other.kill();
  await tomcat?.close();
  await temp?.remove();
  temp = tomcat = haproxy = sidecar = users = undefined;
});

/** Clicks every 150 ms or so, and logs out within a few seconds. */
const CROWD = { population: 24, thinkMs: 150, stayMs: 2500, pageMs: 20 };

test('a Tomcat under users is restarted: it is stopped once its manager counts no user; nothing failed, no session lost', async () => {
  const unpacked = await unpackTomcat();
  if ('missing' in unpacked) return skipped(`no Tomcat: ${unpacked.missing}`);
  const patience = AbortSignal.timeout(100_000);
  temp = await makeTempDir();
  const { path: dir } = temp;
  const node = await createTomcat(unpacked.root, ['/']);
  tomcat = node;
  for (const name of ['app2', 'app3']) others.push(createLegacyNode({ name, port: await freePort(), dir }));
  await Promise.all([node.start(), ...others.map((other) => other.start())]);
  await Promise.all([node.untilServing(), ...others.map((other) => other.untilServing(patience))]);
  const listen = `127.0.0.1:${await freePort()}`;
  const [two = 0, three = 0] = others.map(({ port }) => port);
  haproxy = await startSample({
    dir,
    listen,
    apps: [`127.0.0.1:${node.port}`, `127.0.0.1:${two}`, `127.0.0.1:${three}`],
  });
  const passwordFile = join(dir, 'password');
  await writeFile(passwordFile, `${USER.password}\n`, { mode: 0o600 });
  const sections = recipeConfig('Tomcat', {
    "'http://127.0.0.1:8080/manager'": node.manager,
    'user: lastcall': `user: ${USER.user}`,
    '/etc/lastcall/tomcat.password': passwordFile,
    // Its sessions expire unused here, too.
    'context: /shop': 'context: /\n      lowerExpiry: true',
  });
  const place = { dir, haproxy };
  const app1 = { ...createLegacyNode({ name: 'app1', port: node.port, dir }), agentPort: await freePort() };
  sidecar = await startSidecar(
    place,
    { ...app1, startCommand: node.startCommand, pidFile: node.pidFile },
    patience,
    { timeout: '60s', sections },
  );
  const [before] = node.pids();

  users = createUsers({ url: `http://${listen}`, ...CROWD });
  await users.start();
  const { code, stdout, stderr } = await sidecar.lastcall(
    ['restart', '--reason', 'deploy 41', '--json'],
    patience,
  );
  // The last click of each user is still to come, so a lost session is noticed.
  const report = await users.stop();

  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const result = JSON.parse(stdout) as { sessions: { start: number } };
  expect(result).toMatchObject({
    ok: true,
    operation: 'restart',
    phase: 'serving',
    forced: 0,
    sessions: { last: 0 },
    receipt: { connectionErrors: 0, responseErrors: 0, redispatches: 0, clientAborts: 0, http5xx: 0 },
  });
  expect(result.sessions.start).toBeGreaterThan(0);
  expect(report.failures).toEqual([]);
  expect(report).toMatchObject({ failed: 0, lost: 0 });
  expect(report.nodes['app1']?.requests).toBeGreaterThan(0);
  const [after] = node.pids();
  expect(after).not.toBe(before);
  expect(Number(await readFile(node.pidFile, 'utf8'))).toBe(after);

  const said = sidecar.log() + stdout + (await readFile(`/proc/${sidecar.pid}/cmdline`, 'utf8'));
  expect(said).not.toContain(USER.password);
  expect(said).not.toContain(Buffer.from(`${USER.user}:${USER.password}`, 'latin1').toString('base64'));
}, 150_000);
