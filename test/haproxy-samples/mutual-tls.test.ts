import { afterEach, expect, test } from '@jest/globals';
import { bundle, createAuthority } from '../support/certificates.ts';
import { freePort } from '../support/ports.ts';
import { openSampleSite, sampleConfig, type SampleSite } from '../support/sample-site.ts';
import { type Sidecar, startSidecar } from '../support/sidecar.ts';
import { CLEAN, stopUnderUsers } from '../support/stop-under-users.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

const TLS = 'runtime-api-tls.cfg';

let keys: TempDir;
let site: SampleSite;
let sidecar: Sidecar | undefined;
afterEach(async () => {
  await sidecar?.stop();
  await site.close();
  await keys.remove();
});

test('a node is drained over mutual TLS under users: nothing failed, no session lost', async () => {
  const patience = AbortSignal.timeout(120_000);
  keys = await makeTempDir();
  const authority = await createAuthority(keys.path, 'ours');
  const node = await authority.issue('node', 'DNS:node');
  const lb = await bundle(await authority.issue('lb', 'DNS:localhost,IP:127.0.0.1'));
  const port = await freePort();
  site = await openSampleSite(['haproxy.cfg', TLS], patience, async () => ({
    // The third node of that sample does not run, and its check finds that out.
    APP3: '127.0.0.1:1',
    CHECK_INTER: '200ms',
    LB_TLS_LISTEN: `127.0.0.1:${port}`,
    LB_TLS_CRT: lb,
    LB_TLS_CA: authority.ca,
  }));
  const { dir, haproxy, app1, url } = site;
  const sections = sampleConfig(TLS, {
    'lb1.example.net:9999': `127.0.0.1:${port}`,
    '/etc/lastcall/ca.pem': authority.ca,
    '/etc/lastcall/node.pem': node.cert,
    '/etc/lastcall/node.key': node.key,
  });
  sidecar = await startSidecar({ dir, haproxy }, app1, patience, { sections });
  const stopped = await stopUnderUsers(sidecar, { url }, patience);
  expect(stopped).toMatchObject(CLEAN);
  expect(stopped.result.balancers).toMatchObject([{ name: `tls://127.0.0.1:${port}` }]);
  expect(stopped.result.sessions.start).toBeGreaterThan(0);
  expect(await app1.sessions()).toBeNull();
}, 130_000);
