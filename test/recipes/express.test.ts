import { afterEach, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { type ChildNode, startChildNode } from '../support/child-node.ts';
import { freePort } from '../support/ports.ts';
import { recipeConfig, recipeOf } from '../support/recipes.ts';
import { textOf } from '../support/repository.ts';
import { packageRoot, type Sample, startSample } from '../support/sample.ts';
import { type Sidecar, startSidecar } from '../support/sidecar.ts';
import { CLEAN, stopUnderUsers } from '../support/stop-under-users.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

const APP = 'test/fixtures/express/app.mjs';

let temp: TempDir;
let nodes: ChildNode[] = [];
let haproxy: Sample | undefined;
let sidecar: Sidecar | undefined;
afterEach(async () => {
  await sidecar?.stop();
  await haproxy?.stop();
  for (const node of nodes) await node.kill();
  await temp.remove();
});

test('an Express under users is stopped by the recipe of the page: nothing failed, no session lost', async () => {
  const patience = AbortSignal.timeout(120_000);
  temp = await makeTempDir();
  const { path: dir } = temp;
  nodes = await Promise.all(
    ['app1', 'app2', 'app3'].map((name) =>
      startChildNode(name, dir, (port) => [process.execPath, join(packageRoot(), APP), String(port), name]),
    ),
  );
  const [one, two, three] = nodes;
  if (!one || !two || !three) throw new Error('three nodes are needed');
  const listen = `127.0.0.1:${await freePort()}`;
  const apps = [one, two, three].map(({ port }) => `127.0.0.1:${port}`) as [string, string, string];
  haproxy = await startSample({ dir, listen, apps });
  sidecar = await startSidecar({ dir, haproxy }, one, patience, {
    start: false,
    sections: recipeConfig('Express', { 'http://127.0.0.1:3000': one.url }),
  });
  const stopped = await stopUnderUsers(sidecar, { url: `http://${listen}` }, patience);
  expect(stopped).toMatchObject(CLEAN);
  expect(stopped.result.sessions.start).toBeGreaterThan(0);
  expect(stopped.report.nodes['app1']?.requests).toBeGreaterThan(0);
  expect(one.hasEnded).toBe(true);
}, 130_000);

test('the application that ran has the very lines of the page', () => {
  const lines = (recipeOf('Express').block('js') ?? '').trimEnd();
  expect(lines).toContain("app.get('/sessions'");
  expect(textOf(APP)).toContain(lines);
});
