import { afterEach, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { ask } from '../support/haproxy.ts';
import { openSampleSite, sampleConfig, type SampleSite } from '../support/sample-site.ts';
import { type Sidecar, startSidecar } from '../support/sidecar.ts';
import { CLEAN, stopUnderUsers } from '../support/stop-under-users.ts';

const SAMPLE = 'samples/least-privilege.cfg';

let site: SampleSite;
let sidecar: Sidecar | undefined;
afterEach(async () => {
  await sidecar?.stop();
  await site.close();
});

test('a HAProxy that lastcall may only read is drained by agent-check under users: nothing failed, no session lost', async () => {
  const patience = AbortSignal.timeout(120_000);
  site = await openSampleSite([SAMPLE], patience, async (dir, [one, two]) => ({
    LB_ADMIN: join(dir, 'admin.sock'),
    APP1_AGENT: String(one?.agentPort),
    APP2_AGENT: String(two?.agentPort),
    AGENT_INTER: '200ms',
  }));
  const { dir, haproxy, app1, url } = site;
  expect(await ask(haproxy.socket, 'set server app/app1 state drain')).toContain('Permission denied');

  const sections = sampleConfig(SAMPLE, {
    '/run/haproxy/lastcall.sock': haproxy.socket,
    '127.0.0.1:7001': `127.0.0.1:${app1.agentPort}`,
    // The control socket of the test's own.
    'listen:': `listen:\n  control: ${join(dir, 'app1.sock')}`,
  });
  sidecar = await startSidecar({ dir, haproxy }, app1, patience, { sections });
  const stopped = await stopUnderUsers(sidecar, { url }, patience);
  expect(stopped).toMatchObject(CLEAN);
  expect(stopped.result.sessions.start).toBeGreaterThan(0);
  expect(stopped.result.balancers).toMatchObject([{ servers: [{ name: 'app/app1', admin: 'maint' }] }]);
  expect(await app1.sessions()).toBeNull();
}, 130_000);
