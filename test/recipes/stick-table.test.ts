import { afterEach, expect, test } from '@jest/globals';
import { untilOld } from '../support/haproxy-target.ts';
import { createLegacyNode } from '../support/legacy-node.ts';
import { freePort } from '../support/ports.ts';
import { missingInSample, openRecipeSite, type RecipeSite } from '../support/recipe-site.ts';
import { recipeConfig } from '../support/recipes.ts';
import { CLEAN, stopUnderUsers } from '../support/stop-under-users.ts';

const SAMPLE = 'haproxy/samples/stick-table.cfg';
/** The lifetime of an entry without a click. */
const EXPIRE = '2s';

let site: RecipeSite | undefined;
afterEach(() => site?.close());

test('users who are counted by a stick table alone lose no session in a stop, with a reload in its middle', async () => {
  const patience = AbortSignal.timeout(120_000);
  site = await openRecipeSite();
  const { dir, url, atTheEnd } = site;
  const one = createLegacyNode({ name: 'app1', port: await freePort(), dir });
  const two = createLegacyNode({ name: 'app2', port: await freePort(), dir });
  for (const node of [one, two]) atTheEnd(() => node.kill());
  await Promise.all([one.start(), two.start()]);
  await Promise.all([one.untilServing(patience), two.untilServing(patience)]);
  const sample = await site.startHaproxy(SAMPLE, EXPIRE, [`127.0.0.1:${one.port}`, `127.0.0.1:${two.port}`]);
  // So old that it hands its table on, and that the table is complete.
  await untilOld(sample.socket, 6);
  const node = { ...one, agentPort: await freePort() };
  const sidecar = await site.startSidecar(sample, node, patience, {
    sections: recipeConfig('A stick table', { '30m': EXPIRE }),
  });
  const stopped = await stopUnderUsers(sidecar, { url }, patience, () => sample.reload(true));
  expect(stopped).toMatchObject(CLEAN);
  expect(stopped.result.sessions.start).toBeGreaterThan(0);
  expect(stopped.report.nodes['app1']?.requests).toBeGreaterThan(0);
  expect(await one.sessions()).toBeNull();
}, 130_000);

test('the sample has the very lines of the page', () => {
  expect(missingInSample('A stick table', SAMPLE, '30m')).toEqual([]);
});
