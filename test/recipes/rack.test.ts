import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { type ChildNode, startChildNode } from '../support/child-node.ts';
import { openRecipeSite, type RecipeSite } from '../support/recipe-site.ts';
import { recipeConfig, recipeOf } from '../support/recipes.ts';
import { textOf } from '../support/repository.ts';
import { packageRoot, startSample } from '../support/sample.ts';
import { skipped } from '../support/skip.ts';
import { CLEAN, stopUnderUsers } from '../support/stop-under-users.ts';

/** Rack's own session pool under Puma, as Debian packages both. */

const APP = 'test/fixtures/rack/config.ru';

let missing: string;
beforeAll(() => {
  // From Rack 3 on the pool is a package of its own (ruby-rack-session).
  const { error, stderr } = spawnSync('ruby', ['-rrack/session/pool', '-rpuma', '-e', ''], {
    encoding: 'utf8',
  });
  missing = error?.message ?? stderr;
});
let site: RecipeSite | undefined;
afterEach(() => site?.close());

function startRack(name: string, dir: string): Promise<ChildNode> {
  const folder = dirname(join(packageRoot(), APP));
  const puma = [
    'env',
    `NODE=${name}`,
    'puma',
    '--environment',
    'production',
    '--threads',
    '0:16',
    '--dir',
    folder,
  ];
  const words = (port: number): string[] => [...puma, '--bind', `tcp://127.0.0.1:${port}`];
  return startChildNode(name, dir, words, 'Use Ctrl-C');
}

test('a Rack under users is stopped by the recipe of the page: nothing failed, no session lost', async () => {
  if (missing !== '') return skipped(`no Rack with Puma: ${missing}`);
  const patience = AbortSignal.timeout(120_000);
  site = await openRecipeSite();
  const { dir, listen, url, atTheEnd } = site;
  const nodes = await Promise.all(['app1', 'app2', 'app3'].map((name) => startRack(name, dir)));
  for (const node of nodes) atTheEnd(() => node.kill());
  const [one, two, three] = nodes;
  if (!one || !two || !three) throw new Error('three nodes are needed');
  const apps = [one, two, three].map(({ port }) => `127.0.0.1:${port}`) as [string, string, string];
  const haproxy = await startSample({ dir, listen, apps });
  atTheEnd(() => haproxy.stop());
  const sidecar = await site.startSidecar(haproxy, one, patience, {
    start: false,
    sections: recipeConfig('Rails and Rack', { 'http://127.0.0.1:3000': one.url }),
  });
  const stopped = await stopUnderUsers(sidecar, { url }, patience);
  expect(stopped).toMatchObject(CLEAN);
  expect(stopped.result.sessions.start).toBeGreaterThan(0);
  expect(stopped.report.nodes['app1']?.requests).toBeGreaterThan(0);
  expect(one.hasEnded).toBe(true);
}, 130_000);

test('the application that ran has the very lines of the page', () => {
  const lines = (recipeOf('Rails and Rack').block('ruby') ?? '').trimEnd();
  expect(lines).toContain("map('/sessions')");
  expect(textOf(APP)).toContain(lines);
});
