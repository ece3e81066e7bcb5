import { afterEach, expect, test } from '@jest/globals';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Diagnosis } from '../../agent/doctor/diagnosis.ts';
import { lastcall, LASTCALL, start } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { openRig, type Rig } from '../support/rig.ts';
import { skipped } from '../support/skip.ts';
import { until } from '../support/until.ts';

/** What a user, and a HAProxy, is not allowed: as doctor meets it on a live machine. */

let rig: Rig | undefined;
afterEach(() => rig?.close());

const foundIn = (stdout: string): Record<string, string> => {
  const { traps } = JSON.parse(stdout) as Diagnosis;
  return Object.fromEntries(traps.map(({ id, found }) => [id, found.join()]));
};

test('Where its user may neither open the Runtime API nor write the state, doctor names both', async () => {
  if (process.getuid?.() !== 0) return skipped('it takes root to become another user');
  rig = await openRig();
  const { dir, haproxy } = rig;
  const file = join(dir, 'other-user.yaml');
  const balancers = [{ haproxy: haproxy.socket, servers: ['app/app1'] }];
  const places = { state: join(dir, 'app1.json'), listen: { control: join(dir, 'none.sock') } };
  await writeFile(file, JSON.stringify({ node: 'app1', balancers, ...places }));
  await chmod(dir, 0o755);
  const otherUser = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
  const doctor = [process.execPath, LASTCALL, 'doctor', '--json', '-c', file];
  const found = foundIn((await start('setpriv', [...otherUser, ...doctor]).outcome).stdout);
  expect(found['socket-rights']).toContain(haproxy.socket);
  expect(found['state-rights']).toContain(dir);
  expect(found['unreachable']).toBeUndefined();
});

test('A HAProxy that listen.agentCheck.allow leaves out gets no answer, and doctor says so', async () => {
  const agentPort = await freePort();
  rig = await openRig({
    agentPort,
    server: `agent-check agent-addr 127.0.0.1 agent-port ${agentPort} agent-inter 100ms`,
  });
  const { dir, haproxy } = rig;
  const doctor = ['doctor', '--json', '-c', join(dir, 'app1.yaml')];
  const deaf = async (): Promise<string | undefined> =>
    foundIn((await lastcall(doctor).outcome).stdout)['agent-deaf'];
  const listen = (allow: string): object => ({
    agentCheck: { address: `127.0.0.1:${agentPort}`, allow: [allow] },
    control: join(dir, 'app1.sock'),
  });
  const agent = await rig.sidecar({ sections: { listen: listen('127.0.0.9/32') } });
  await agent.reaches('serving');
  expect(await until('doctor names it', deaf)).toContain('app/app1 gets no answer: L');
  await agent.stop();
  await rig.sidecar({ sections: { listen: listen('127.0.0.1/32') } });
  await until('HAProxy has its answer', async () =>
    (await haproxy.command('show stat app 4 -1')).includes('L7OK'),
  );
  expect(await deaf()).toBeUndefined();
});
