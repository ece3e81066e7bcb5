import { afterEach, expect, test } from '@jest/globals';
import { createUsers, type Users } from '../fixtures/users.ts';
import { ask } from '../support/haproxy.ts';
import { openSampleSite, sampleConfig, type SampleNode, type SampleSite } from '../support/sample-site.ts';
import { type Sidecar, startSidecar } from '../support/sidecar.ts';
import { until } from '../support/until.ts';

const SAMPLE = 'samples/blue-green.cfg';
const NOWHERE = '127.0.0.1:1';

let site: SampleSite;
let users: Users | undefined;
const sidecars: Sidecar[] = [];
afterEach(async () => {
  await users?.stop();
  for (const sidecar of sidecars.splice(0)) await sidecar.stop();
  await site.close();
});

/** HAProxy takes every server to be up when it has just started, and answers some users of those that are not with 503. */
async function untilChecked(): Promise<void> {
  await until('HAProxy has found three servers down', async () => {
    const lines = (await ask(site.haproxy.socket, 'show stat app 4 -1')).split('\n');
    return lines.filter((line) => line.includes(',DOWN,')).length === 3;
  });
}

/** A node's sidecar, configured as the head of the sample has it for blue1. */
async function besides(node: SampleNode, patience: AbortSignal): Promise<Sidecar> {
  const { dir, haproxy } = site;
  const sections = sampleConfig(SAMPLE, {
    '/run/haproxy/admin.sock': haproxy.socket,
    'app/blue1': `app/${node.name}`,
    'http://127.0.0.1:8080': node.url,
  });
  const sidecar = await startSidecar({ dir, haproxy }, node, patience, { sections });
  sidecars.push(sidecar);
  return sidecar;
}

test('blue is exchanged for green by the steps of the sample: nothing failed, no session lost', async () => {
  const patience = AbortSignal.timeout(120_000);
  site = await openSampleSite(
    [SAMPLE],
    patience,
    async (_dir, [blue, green]) => ({
      BLUE1: `127.0.0.1:${blue?.port}`,
      GREEN1: `127.0.0.1:${green?.port}`,
      BLUE2: NOWHERE,
      GREEN2: NOWHERE,
    }),
    { names: ['blue1', 'green1'], isAlone: true },
  );
  const { app1: blue, app2: green, url } = site;
  await untilChecked();
  const [atBlue, atGreen] = await Promise.all([besides(blue, patience), besides(green, patience)]);
  const crowd = createUsers({ url, population: 24, thinkMs: 150, stayMs: 2000, pageMs: 20 });
  users = crowd;
  await crowd.start();

  const held = await atGreen.lastcall(['hold', '--maint', '--reason', 'green 42 is looked at'], patience);
  expect(held).toMatchObject({ code: 0 });
  await green.start();
  await green.untilServing(patience);
  // So many of them that green would have had its share.
  const { requests } = crowd.report();
  await until('users have come', () => crowd.report().requests > requests + 200);
  expect(Object.keys(crowd.report().nodes)).toEqual(['blue1']);

  expect(await atGreen.lastcall(['release'], patience)).toMatchObject({ code: 0 });
  await until('green has users', () => (crowd.report().nodes['green1']?.requests ?? 0) > 0);
  const { code, stderr, stdout } = await atBlue.lastcall(
    ['stop', '--reason', 'blue 41 ends', '--json'],
    patience,
  );
  const report = await crowd.stop();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const result = JSON.parse(stdout) as { readonly sessions: { readonly start: number } };
  expect(result).toMatchObject({ code: 'done', forced: 0, sessions: { last: 0 } });
  expect(result.sessions.start).toBeGreaterThan(0);
  expect(report).toMatchObject({ failed: 0, lost: 0, failures: [] });
  expect(await blue.sessions()).toBeNull();
}, 130_000);
