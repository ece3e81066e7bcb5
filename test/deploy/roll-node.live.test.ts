import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LASTCALL } from '../support/cli.ts';
import { ask } from '../support/haproxy.ts';
import { startSidecar, type Sidecar } from '../support/sidecar.ts';
import { openSite, type Site, type SiteNode } from '../support/site.ts';

const script = fileURLToPath(new URL('../../deploy/roll-node.sh', import.meta.url));
const abort = new AbortController();
let site: Site;
let node: SiteNode;
let sidecar: Sidecar;

beforeAll(async () => {
  site = await openSite({}, abort.signal);
  node = site.nodes[0] as SiteNode;
  sidecar = await startSidecar(site, node, abort.signal, { quiet: '100ms' });
  await program('lastcall', `exec '${process.execPath}' '${LASTCALL}' "$@"`);
  // The real work of a deploy, but only with the process gone; a zombie, which no parent reaps, is gone as well.
  const gone = `pid=$(cat '${node.pidFile}') && grep -qs '^State:.[^ZX]' "/proc/$pid/status" && exit 9`;
  await program('step', `${gone}\necho "$1" >'${site.dir}/release'`);
});
afterAll(async () => {
  abort.abort();
  await sidecar?.stop();
  await site?.close();
});

function program(name: string, body: string): Promise<void> {
  return writeFile(join(site.dir, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

interface Rolled {
  readonly code: unknown;
  readonly results: readonly unknown[];
  readonly stderr: string;
}

function roll(...step: readonly string[]): Promise<Rolled> {
  const args = ['-c', join(site.dir, `${node.name}.yaml`), '-r', 'deploy 41', '-t', '20s', ...step];
  const env = { PATH: process.env['PATH'], LASTCALL: join(site.dir, 'lastcall') };
  return new Promise((resolve) => {
    execFile(script, args, { env }, (error, stdout, stderr) => {
      const results = stdout.split('\n').filter((line) => line !== '');
      resolve({
        code: error === null ? 0 : error.code,
        results: results.map((line) => JSON.parse(line) as unknown),
        stderr,
      });
    });
  });
}

describe('The script that rolls one node, with a real lastcall, HAProxy and application', () => {
  test('stops it, runs the step while the application is down, and brings it back', async () => {
    const { code, results, stderr } = await roll(join(site.dir, 'step'), '41');
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('back in service') });
    expect(results).toMatchObject([
      { ok: true, operation: 'stop', phase: 'stopped', reason: 'deploy 41', forced: 0 },
      { ok: true, operation: 'ready', phase: 'serving', reason: 'deploy 41' },
    ]);
    expect(await readFile(join(site.dir, 'release'), 'utf8')).toBe('41\n');
    expect((await site.statuses()).get('app1')).toMatch(/^UP/);
  });

  test('restarts it where there is no step', async () => {
    const before = await readFile(node.pidFile, 'utf8');
    const { code, results } = await roll();
    expect(code).toBe(0);
    expect(results).toMatchObject([{ ok: true, operation: 'restart', phase: 'serving', forced: 0 }]);
    expect(await readFile(node.pidFile, 'utf8')).not.toBe(before);
  });

  test('passes on that it was refused, with nothing changed, while no other node could take over', async () => {
    for (const other of ['app2', 'app3'])
      await ask(site.haproxy.socket, `set server app/${other} state maint`);
    const { code, results, stderr } = await roll(join(site.dir, 'step'), '42');
    for (const other of ['app2', 'app3'])
      await ask(site.haproxy.socket, `set server app/${other} state ready`);
    expect(code).toBe(75);
    expect(results).toMatchObject([{ ok: false, code: 'guard' }]);
    expect(stderr).toContain('try again later');
    expect(await readFile(join(site.dir, 'release'), 'utf8')).toBe('41\n');
    expect((await site.statuses()).get('app1')).toMatch(/^UP/);
  });
});
