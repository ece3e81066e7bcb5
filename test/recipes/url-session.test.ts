import { afterEach, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { createBrowser } from '../fixtures/browser.ts';
import { type ChildNode, startChildNode } from '../support/child-node.ts';
import { untilOld } from '../support/haproxy-target.ts';
import { ask } from '../support/haproxy.ts';
import { freePort } from '../support/ports.ts';
import { recipeConfig, recipeOf } from '../support/recipes.ts';
import { textOf } from '../support/repository.ts';
import { packageRoot, type Sample, startSampleFile } from '../support/sample.ts';
import { type Sidecar, startSidecar } from '../support/sidecar.ts';
import { CLEAN, stopUnderUsers } from '../support/stop-under-users.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

const SAMPLE = 'haproxy/samples/url-session.cfg';
const APP = join(packageRoot(), 'dist/test/fixtures/url-app.js');

/** The lifetime of an entry without a click: longer than a busy machine keeps a user of the crowd waiting. */
const EXPIRE = '5s';

let temp: TempDir;
let nodes: ChildNode[] = [];
let haproxy: Sample | undefined;
let sidecar: Sidecar | undefined;
afterEach(async () => {
  await sidecar?.stop();
  await haproxy?.stop();
  for (const node of nodes) await node.kill();
  await temp.remove();
  sidecar = undefined;
});

/** Two nodes behind the sample; resolves with where users come in. */
async function open(): Promise<string> {
  temp = await makeTempDir();
  const { path: dir } = temp;
  const start = (name: string): Promise<ChildNode> =>
    startChildNode(name, dir, (port) => [process.execPath, APP, '--port', String(port), '--node', name]);
  nodes = await Promise.all([start('app1'), start('app2')]);
  const [one, two] = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const listen = `127.0.0.1:${await freePort()}`;
  haproxy = await startSampleFile([join(packageRoot(), SAMPLE)], dir, {
    LB_SOCKET: join(dir, 'lb.sock'),
    LB_STATE: join(dir, 'server-state'),
    LB_LISTEN: listen,
    LB_PEER: `127.0.0.1:${await freePort()}`,
    LB_EXPIRE: EXPIRE,
    APP1: one ?? '',
    APP2: two ?? '',
  });
  return `http://${listen}`;
}

test('an application whose session is in the URL alone is stopped under users: nothing failed, no session lost', async () => {
  const patience = AbortSignal.timeout(120_000);
  const url = await open();
  const [one] = nodes;
  if (!one || !haproxy) throw new Error('no node');
  await untilOld(haproxy.socket, 6);
  sidecar = await startSidecar({ dir: temp.path, haproxy }, one, patience, {
    start: false,
    sections: recipeConfig('Seaside', { '10m': EXPIRE }),
  });
  const stopped = await stopUnderUsers(sidecar, { url, inUrl: true }, patience);
  expect(stopped).toMatchObject(CLEAN);
  expect(stopped.result.sessions.start).toBeGreaterThan(0);
  expect(stopped.report.nodes['app1']?.requests).toBeGreaterThan(0);
  expect(one.hasEnded).toBe(true);
}, 130_000);

test('the key is learned from the redirect that shows it first, whatever stands before and after it', async () => {
  const url = await open();
  const browser = createBrowser({ url, keepAlive: false, timeoutMs: 5000 });
  const { location } = await browser.get('/');
  expect(location).toMatch(/^\/\?_s=[0-9a-f]{32}&_k=1$/);
  const key = /_s=([^&]+)/.exec(location ?? '')?.[1];
  expect(await ask(haproxy?.socket ?? '', 'show table app')).toContain(`key=${String(key)} `);
});

test('the sample has the very lines of the page', () => {
  const sample = textOf(SAMPLE).replaceAll('"${LB_EXPIRE}"', '10m');
  const lines = (recipeOf('Seaside').block('haproxy') ?? '').trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(2);
  for (const line of lines) expect(sample).toContain(line);
});
