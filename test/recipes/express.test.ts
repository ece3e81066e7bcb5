import { afterEach, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { startChildNode } from '../support/child-node.ts';
import { openRecipeSite, type RecipeSite } from '../support/recipe-site.ts';
import { recipeConfig, recipeOf } from '../support/recipes.ts';
import { textOf } from '../support/repository.ts';
import { packageRoot, startSample } from '../support/sample.ts';
import { CLEAN, stopUnderUsers } from '../support/stop-under-users.ts';

const APP = 'test/fixtures/express/app.mjs';

let site: RecipeSite | undefined;
afterEach(() => site?.close());

test('an Express under users is stopped by the recipe of the page: nothing failed, no session lost', async () => {
  const patience = AbortSignal.timeout(120_000);
  site = await openRecipeSite();
  const { dir, listen, url, atTheEnd } = site;
  const nodes = await Promise.all(
    ['app1', 'app2', 'app3'].map((name) =>
      startChildNode(name, dir, (port) => [process.execPath, join(packageRoot(), APP), String(port), name]),
    ),
  );
  for (const node of nodes) atTheEnd(() => node.kill());
  const [one, two, three] = nodes;
  if (!one || !two || !three) throw new Error('three nodes are needed');
  const apps = [one, two, three].map(({ port }) => `127.0.0.1:${port}`) as [string, string, string];
  const haproxy = await startSample({ dir, listen, apps });
  atTheEnd(() => haproxy.stop());
  const sidecar = await site.startSidecar(haproxy, one, patience, {
    start: false,
    sections: recipeConfig('Express', { 'http://127.0.0.1:3000': one.url }),
  });
  const stopped = await stopUnderUsers(sidecar, { url }, patience);
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
