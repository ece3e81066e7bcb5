import { afterEach, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { createBrowser } from '../fixtures/browser.ts';
import { type ChildNode, startChildNode } from '../support/child-node.ts';
import { untilOld } from '../support/haproxy-target.ts';
import { ask } from '../support/haproxy.ts';
import { missingInSample, openRecipeSite, type RecipeSite } from '../support/recipe-site.ts';
import { recipeConfig } from '../support/recipes.ts';
import { packageRoot, type Sample } from '../support/sample.ts';
import { CLEAN, stopUnderUsers } from '../support/stop-under-users.ts';

const SAMPLE = 'haproxy/samples/url-session.cfg';
const APP = join(packageRoot(), 'dist/test/fixtures/url-app.js');

/** The lifetime of an entry without a click: longer than a busy machine keeps a user of the crowd waiting. */
const EXPIRE = '5s';

let site: RecipeSite | undefined;
afterEach(() => site?.close());

/** Two nodes behind the sample. */
async function open(): Promise<{
  readonly one: ChildNode;
  readonly haproxy: Sample;
  readonly at: RecipeSite;
}> {
  const at = await openRecipeSite();
  site = at;
  const start = async (name: string): Promise<ChildNode> => {
    const words = ['--node', name];
    const node = await startChildNode(name, at.dir, (port) => [
      process.execPath,
      APP,
      '--port',
      String(port),
      ...words,
    ]);
    at.atTheEnd(() => node.kill());
    return node;
  };
  const [one, two] = await Promise.all([start('app1'), start('app2')]);
  const haproxy = await at.startHaproxy(SAMPLE, EXPIRE, [`127.0.0.1:${one.port}`, `127.0.0.1:${two.port}`]);
  return { one, haproxy, at };
}

test('an application whose session is in the URL alone is stopped under users: nothing failed, no session lost', async () => {
  const patience = AbortSignal.timeout(120_000);
  const { one, haproxy, at } = await open();
  await untilOld(haproxy.socket, 6);
  const sidecar = await at.startSidecar(haproxy, one, patience, {
    start: false,
    sections: recipeConfig('Seaside', { '10m': EXPIRE }),
  });
  const stopped = await stopUnderUsers(sidecar, { url: at.url, inUrl: true }, patience);
  expect(stopped).toMatchObject(CLEAN);
  expect(stopped.result.sessions.start).toBeGreaterThan(0);
  expect(stopped.report.nodes['app1']?.requests).toBeGreaterThan(0);
  expect(one.hasEnded).toBe(true);
}, 130_000);

test('the key is learned from the redirect that shows it first, whatever stands before and after it', async () => {
  const { haproxy, at } = await open();
  const browser = createBrowser({ url: at.url, keepAlive: false, timeoutMs: 5000 });
  const { location } = await browser.get('/');
  expect(location).toMatch(/^\/\?_s=[0-9a-f]{32}&_k=1$/);
  const key = /_s=([^&]+)/.exec(location ?? '')?.[1];
  expect(await ask(haproxy.socket, 'show table app')).toContain(`key=${String(key)} `);
});

test('the sample has the very lines of the page', () => {
  expect(missingInSample('Seaside', SAMPLE, '10m')).toEqual([]);
});
