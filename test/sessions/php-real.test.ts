import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createSources } from '../../agent/sessions/create.ts';
import { realClock } from '../../agent/system/clock.ts';
import { configOf, MINIMAL } from '../config/support.ts';
import { createBrowser, type Browser } from '../fixtures/browser.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { startPhp, unpackPhp, type Php } from '../support/php.ts';
import { freePort } from '../support/ports.ts';
import { recipeConfig } from '../support/recipes.ts';
import { skipped } from '../support/skip.ts';

/** PHP-FPM behind HAProxy's FastCGI, sticky by HAProxy's cookie: its sessions are files. */
let php: Php | undefined;
let haproxy: Haproxy | undefined;
let url: string;
let missing: string | null = null;
const browsers: Browser[] = [];

beforeAll(async () => {
  const unpacked = await unpackPhp();
  if ('missing' in unpacked) {
    missing = unpacked.missing;
    return;
  }
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  haproxy = await startHaproxy(async (dir) => {
    php = await startPhp(unpacked.program, dir);
    return config(port, php);
  });
}, 200_000);
afterAll(async () => {
  for (const browser of browsers) browser.close();
  await php?.stop();
  await haproxy?.stop();
});

function config(port: number, { socket, docroot }: Php): string {
  return `defaults
  mode http
  timeout connect 2s
  timeout client 10s
  timeout server 10s
fcgi-app php
  docroot ${docroot}
  index index.php
frontend web
  bind 127.0.0.1:${port}
  default_backend app
backend app
  use-fcgi-app php
  cookie SRV insert indirect nocache
  server p1 unix@${socket} proto fcgi cookie p1
`;
}

function enter(): Browser {
  const browser = createBrowser({ url, keepAlive: false, timeoutMs: 10_000 });
  browsers.push(browser);
  return browser;
}
async function click(browser: Browser, path = '/'): Promise<{ session: string; count: number }> {
  const page = await browser.get(path);
  expect(page).toMatchObject({ status: 200, body: expect.stringContaining('session') });
  return JSON.parse(page.body) as { session: string; count: number };
}

test("PHP's sessions are counted from its files while their users click, log out, and stay away", async () => {
  if (php === undefined) return skipped(`no PHP-FPM: ${String(missing)}`);
  const { sessions } = php;
  const path = join(sessions, 'sess_*');
  const recipe = recipeConfig('PHP-FPM', { '/var/lib/php/sessions/sess_*': path });
  const config = await configOf(`${MINIMAL}${stringify(recipe)}`);
  const [source] = createSources([...config.sessions], { clock: realClock, onWarning: () => undefined });
  const count = (): Promise<number | undefined> => source?.count(never) ?? Promise.resolve(undefined);
  expect(await count()).toBe(0);

  const [one, two, three] = [enter(), enter(), enter()];
  await click(one);
  await click(two);
  const { session } = await click(three);
  expect(one.cookie('SRV')).toBe('p1');
  expect(await count()).toBe(3);
  expect(await click(one)).toMatchObject({ count: 2 });
  expect(await count()).toBe(3);
  await click(one, '/?logout');
  expect(await count()).toBe(2);

  // Half an hour without a click: the file lies there until a clean-up removes it, and its user is gone.
  const before = new Date(Date.now() - 30 * 60_000);
  await utimes(join(sessions, `sess_${session}`), before, before);
  expect(await readdir(sessions)).toHaveLength(2);
  expect(await count()).toBe(1);
  // Unless the user comes back in time.
  expect(await click(three)).toMatchObject({ session, count: 2 });
  expect(await count()).toBe(2);

  await rm(sessions, { recursive: true });
  expect((await refusalOf(count)).message).toContain('no such directory');
});
