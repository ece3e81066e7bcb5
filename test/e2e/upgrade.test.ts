import { afterEach, expect, test } from '@jest/globals';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { copyProgram } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { openRig, type Rig, told } from '../support/rig.ts';
import { sidecarConfig } from '../support/sidecar.ts';
import { until } from '../support/until.ts';

/** What npm and dpkg do while a sidecar runs: the files of its program go, and the next start has other ones. */

let rig: Rig;
afterEach(() => rig?.close());

test('The files of its program go in the middle of a drain: it does all it may be asked for, and the next version goes on', async () => {
  rig = await openRig();
  const program = await copyProgram(rig.dir);
  const old = await rig.sidecar({ program });
  await old.reaches('serving');
  const visitor = await rig.signIn();
  const waiting = old.cli('drain');
  const { operation } = await old.reaches('draining');
  await rm(dirname(program), { recursive: true });

  // Whatever the file has from now on, of all that can change without a restart.
  const sections = {
    schedule: [{ cron: '0 4 * * 0', do: 'restart' }],
    hooks: [{ on: ['drained'], webhook: `http://127.0.0.1:${await freePort()}/` }],
    sessions: [
      { http: { url: `${rig.node.url}/sessions` } },
      { stickTable: { table: 'app' } },
      { files: { path: join(rig.dir, 'sess_*'), youngerThan: '1h' } },
      { tcp: Number(new URL(rig.node.url).port) },
      { command: ['/bin/echo', '0'] },
    ],
    lock: { file: join(rig.dir, 'lock') },
    pool: { name: 'app', slots: 1 },
  };
  const config = sidecarConfig(rig, rig.node, { quiet: '0s', sections });
  await writeFile(join(rig.dir, 'app1.yaml'), JSON.stringify(config));
  process.kill(old.pid, 'SIGHUP');
  await until('the file is read', () => /has taken effect|of before goes on/.test(old.log()));
  expect(old.log()).toContain('the new configuration has taken effect');
  await old.stop();

  const next = await rig.sidecar();
  expect((await next.reaches('draining')).operation?.id).toBe(operation?.id);
  expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
  await visitor.leave();
  expect(await told(waiting)).toMatchObject({ code: 0, json: { id: operation?.id, phase: 'drained' } });
  await next.stop();
});
