import { afterEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../agent/system/error.ts';
import { unpackDebian } from '../support/debian.ts';
import { freePort } from '../support/ports.ts';
import { textOf } from '../support/repository.ts';
import { packageRoot, type Sample, startSampleFile } from '../support/sample.ts';
import { openSampleSite, sampleConfig, type SampleSite } from '../support/sample-site.ts';
import { type Sidecar, startSidecar } from '../support/sidecar.ts';
import { skipped } from '../support/skip.ts';
import { CLEAN, stopUnderUsers } from '../support/stop-under-users.ts';
import { makeTempDir } from '../support/tempdir.ts';
import { createVirtualAddress, type VirtualAddress } from '../support/virtual-address.ts';

const SAMPLE = 'samples/pair.cfg';
const KEEPALIVED = 'haproxy/samples/pair.keepalived.conf';
/** Keepalived of Debian, and the libraries that a machine without it lacks. */
const PACKAGES =
  'keepalived libnl-3-200 libnl-genl-3-200 libsnmp40 libnftnl11 libmnl0 libpci3 libglib2.0-0'.split(' ');
const execute = promisify(execFile);

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Pair {
  readonly site: SampleSite;
  readonly first: Sample;
  readonly second: Sample;
  readonly address: VirtualAddress;
  /** The virtual address goes to the second one. */
  readonly failOver: () => void;
}

/** Two HAProxys of the sample before the same two nodes. */
async function openPair(patience: AbortSignal): Promise<Pair> {
  let apps = { APP1: '', APP2: '' };
  const site = await openSampleSite([SAMPLE], patience, async (_dir, [one, two]) => {
    apps = { APP1: `127.0.0.1:${one?.port}`, APP2: `127.0.0.1:${two?.port}` };
    return {};
  });
  cleanups.push(() => site.close());
  const dir = join(site.dir, 'lb2');
  await mkdir(dir);
  const port = await freePort();
  const second = await startSampleFile([join(packageRoot(), 'haproxy', SAMPLE)], dir, {
    LB_SOCKET: join(dir, 'lb.sock'),
    LB_STATE: join(dir, 'server-state'),
    LB_LISTEN: `127.0.0.1:${port}`,
    ...apps,
  });
  cleanups.push(() => second.stop());
  const address = await createVirtualAddress(Number(new URL(site.url).port));
  cleanups.push(() => address.close());
  return { site, first: site.haproxy, second, address, failOver: () => address.moveTo(port) };
}

/** The folders of the unpacked libraries, whatever the machine's architecture. */
async function libraries(root: string): Promise<string[]> {
  const found = await Promise.all(
    ['lib', 'usr/lib'].map(async (folder) =>
      (await readdir(join(root, folder))).map((name) => join(root, folder, name)),
    ),
  );
  return found.flat().filter((folder) => folder.endsWith('-linux-gnu'));
}

describe('A pair of HAProxys with one address', () => {
  test('is drained with a failover in the middle: nothing failed, no session lost', async () => {
    const patience = AbortSignal.timeout(120_000);
    const { site, first, second, address, failOver } = await openPair(patience);
    const { dir, app1 } = site;
    const tls = '{ ca: /etc/lastcall/ca.pem, cert: /etc/lastcall/node.pem, key: /etc/lastcall/node.key }';
    const sections = sampleConfig(SAMPLE, {
      'tls://lb1.example.net:9999': `unix:${first.socket}`,
      'tls://lb2.example.net:9999': `unix:${second.socket}`,
      [`    tls: ${tls}\n`]: '',
      'http://127.0.0.1:8080': app1.url,
    });
    const sidecar: Sidecar = await startSidecar({ dir, haproxy: first }, app1, patience, { sections });
    cleanups.push(() => sidecar.stop());
    const stopped = await stopUnderUsers(sidecar, { url: address.url }, patience, async () => failOver());
    expect(stopped).toMatchObject(CLEAN);
    expect(stopped.result.sessions.start).toBeGreaterThan(0);
    const fenced = { servers: [{ name: 'app/app1', admin: 'maint' }] };
    expect(stopped.result.balancers).toMatchObject([fenced, fenced]);
    expect(await app1.sessions()).toBeNull();
  }, 130_000);

  test('has a configuration that keepalived reads', async () => {
    const unpacked = await unpackDebian('keepalived', PACKAGES, 'usr/sbin/keepalived');
    if ('missing' in unpacked) return skipped(`no keepalived: ${unpacked.missing}`);
    const temp = await makeTempDir();
    cleanups.push(() => temp.remove());
    const file = join(temp.path, 'keepalived.conf');
    const link = Object.keys(networkInterfaces()).find((name) => name !== 'lo');
    if (link === undefined) return skipped('no network interface for keepalived besides lo');
    await writeFile(file, textOf(KEEPALIVED).replace('interface eth0', `interface ${link}`));
    const program = join(unpacked.root, 'usr/sbin/keepalived');
    const env = { ...process.env, LD_LIBRARY_PATH: (await libraries(unpacked.root)).join(':') };
    try {
      await execute(program, ['--version'], { env });
    } catch (error) {
      return skipped(`keepalived does not run here: ${messageOf(error).slice(0, 300)}`);
    }
    const { stdout, stderr } = await execute(program, ['--config-test', '-f', file], { env });
    expect(stdout + stderr).not.toMatch(/unknown|error|invalid/i);
  }, 150_000);
});
