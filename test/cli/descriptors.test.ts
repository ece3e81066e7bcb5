import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LASTCALL, start, type Running } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** As a unit's `LimitNOFILE=64`: soft and hard, so that Node cannot raise it. */
const within = (...args: string[]): Running =>
  start('prlimit', ['--nofile=64:64', process.execPath, LASTCALL, ...args]);

describe('64 descriptors suffice', () => {
  let dir: TempDir;
  let file: string;
  beforeEach(async () => {
    dir = await makeTempDir();
    file = join(dir.path, 'lastcall.yaml');
    const port = async (): Promise<string> => `127.0.0.1:${await freePort()}`;
    // As much as there is: a room that is loaded only for some must start, too.
    const config = {
      node: 'n1',
      balancers: [
        { haproxy: join(dir.path, 'none.sock'), servers: ['app/app1'] },
        { health: { from: ['10.0.0.1/32'] } },
      ],
      app: {
        probe: { http: { url: `http://${await port()}/` } },
        start: { command: ['true'] },
        stop: { signal: { pidFile: join(dir.path, 'pid') } },
      },
      sessions: [{ http: { url: `http://${await port()}/` } }, { tcp: 9 }, { stickTable: { table: 'app' } }],
      schedule: [{ cron: '0 4 * * 0', do: 'restart' }],
      listen: {
        agentCheck: { address: await port() },
        health: await port(),
        metrics: await port(),
        control: join(dir.path, 's'),
      },
      state: join(dir.path, 'state.json'),
      audit: join(dir.path, 'audit.log'),
    };
    await writeFile(file, JSON.stringify(config));
  });
  afterEach(() => dir.remove());

  test('for check, run, status and direct mode', async () => {
    expect(await within('check', '-c', file).outcome).toMatchObject({ code: 0 });
    const sidecar = within('run', '-c', file);
    await sidecar.said('-> serving');
    expect(await within('status', '-c', file).outcome).toMatchObject({ code: 0, stderr: '' });
    sidecar.child.kill('SIGTERM');
    expect(await sidecar.outcome).toMatchObject({ code: 0 });
    const direct = await within('drain', '--haproxy', join(dir.path, 'none.sock'), '--server', 'a/b').outcome;
    expect(direct).toMatchObject({ code: 69, stderr: expect.stringContaining('does not exist') });
  });
});
