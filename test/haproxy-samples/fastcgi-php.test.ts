import { afterEach, expect, test } from '@jest/globals';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Php, startPhp, unpackPhp } from '../support/php.ts';
import { freePort } from '../support/ports.ts';
import { packageRoot, type Sample, startSampleFile } from '../support/sample.ts';
import { sampleConfig } from '../support/sample-site.ts';
import { type Sidecar, startSidecar } from '../support/sidecar.ts';
import { skipped } from '../support/skip.ts';
import { CLEAN, stopUnderUsers } from '../support/stop-under-users.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

const SAMPLE = 'samples/fastcgi-php.cfg';

let temp: TempDir | undefined;
const nodes: Php[] = [];
let haproxy: Sample | undefined;
let sidecar: Sidecar | undefined;
afterEach(async () => {
  await sidecar?.stop();
  await haproxy?.stop();
  for (const node of nodes) await node.stop();
  await temp?.remove();
});

test('a PHP-FPM behind FastCGI is stopped under users, counted by its files: nothing failed, no session lost', async () => {
  const unpacked = await unpackPhp();
  if ('missing' in unpacked) return skipped(`no PHP-FPM: ${unpacked.missing}`);
  const patience = AbortSignal.timeout(120_000);
  temp = await makeTempDir();
  const { path: dir } = temp;
  for (const node of ['app1', 'app2']) {
    await mkdir(join(dir, node));
    const listen = `127.0.0.1:${await freePort()}`;
    nodes.push(await startPhp(unpacked.program, join(dir, node), { node, listen }));
  }
  const [one, two] = nodes;
  if (!one || !two) throw new Error('two nodes are needed');
  const url = `127.0.0.1:${await freePort()}`;
  haproxy = await startSampleFile([join(packageRoot(), 'haproxy', SAMPLE)], dir, {
    LB_SOCKET: join(dir, 'lb.sock'),
    LB_STATE: join(dir, 'server-state'),
    LB_LISTEN: url,
    APP1: one.socket,
    APP2: two.socket,
    DOCROOT: one.docroot,
  });
  const tls = '{ ca: /etc/lastcall/ca.pem, cert: /etc/lastcall/node.pem, key: /etc/lastcall/node.key }';
  const sections = sampleConfig(SAMPLE, {
    '127.0.0.1:9000': one.socket,
    // No systemd here: what its unit does is SIGQUIT.
    'stop: { systemd: php8.2-fpm.service }': `stop: { signal: { name: SIGQUIT, pidFile: ${one.pidFile} } }`,
    'tls://lb1.example.net:9999': `unix:${haproxy.socket}`,
    [`    tls: ${tls}\n`]: '',
    '/var/lib/php/sessions': one.sessions,
  });
  const node = { name: 'app1', url: '', pidFile: one.pidFile, startCommand: [], agentPort: await freePort() };
  sidecar = await startSidecar({ dir, haproxy }, node, patience, { sections });
  const stopped = await stopUnderUsers(sidecar, { url: `http://${url}`, logout: '/?logout' }, patience);
  expect(stopped).toMatchObject(CLEAN);
  expect(stopped.result.sessions.start).toBeGreaterThan(0);
  expect(stopped.report.nodes['app1']?.requests).toBeGreaterThan(0);
  expect(await readdir(one.sessions)).toEqual([]);
}, 150_000);
