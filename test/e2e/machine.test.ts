import { afterEach, describe, expect, test } from '@jest/globals';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { nodesInService } from '../../agent/control/machine.ts';
import { realClock } from '../../agent/system/clock.ts';
import { type Fleet, openFleet } from '../support/fleet/fleet.ts';
import { openRig, patience, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

// The nodes of one machine, seen by the sidecar of another one of them that is to reboot it.

let rig: Rig | undefined;
let fleet: Fleet | undefined;
afterEach(async () => {
  await rig?.close();
  await fleet?.close();
  rig = fleet = undefined;
});

test('a real sidecar counts until its node is out; HAProxy, a sidecar that has ended in order and our own do not', async () => {
  rig = await openRig({ master: true });
  const ask = nodesInService(join(rig.dir, 'app2.sock'), realClock);
  const others = (): Promise<readonly string[]> => ask(patience());
  // HAProxy's sockets are in the same directory, that of its master too, which leaves a connection open after its answer.
  for (const socket of [rig.haproxy.socket, rig.haproxy.masterSocket])
    expect(socket?.startsWith(rig.dir)).toBe(true);
  expect(await others()).toEqual([]);
  const agent = await rig.sidecar();
  await agent.reaches('serving');
  expect(await others()).toEqual(['app1 is serving']);
  expect(await nodesInService(agent.control, realClock)(patience())).toEqual([]);
  expect(await told(agent.cli('drain'))).toMatchObject({ code: 0 });
  expect(await others()).toEqual([]);
  expect(await told(agent.cli('ready'))).toMatchObject({ code: 0 });
  expect(await told(agent.cli('drain', '--no-fence'))).toMatchObject({ code: 0 });
  expect(await others()).toEqual([`app1 is drained with app/app1 in DRAIN at unix:${rig.haproxy.socket}`]);
  await agent.stop();
  expect(await others()).toEqual([]);
});

test('one whose sidecar was killed counts: its node may be in service', async () => {
  rig = await openRig();
  const agent = await rig.sidecar();
  await agent.reaches('serving');
  await agent.kill();
  expect(await nodesInService(join(rig.dir, 'app2.sock'), realClock)(patience())).toEqual([
    expect.stringMatching(
      /^the sidecar at \S+\/app1\.sock cannot be asked \(.*no process listens there any more; where its node is no more, remove that file\)$/,
    ),
  ]);
});

test('one that does not answer counts: what is not known is not zero', async () => {
  rig = await openRig();
  const silent = createServer(() => undefined);
  const path = join(rig.dir, 'app3.sock');
  await new Promise<void>((listening) => silent.listen(path, listening));
  const found = await nodesInService(join(rig.dir, 'app2.sock'), realClock)(patience());
  silent.close();
  expect(found).toEqual([`the sidecar at ${path} cannot be asked (no answer within 2000 ms)`]);
});

describe('The calendars of two nodes of one machine', () => {
  /** logind says yes, and `systemctl reboot` is written down: a test must not reboot the machine that it runs on. */
  async function makeMachine(dir: string): Promise<void> {
    const program = (name: string, body: string): Promise<void> =>
      writeFile(join(dir, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    await mkdir(dir);
    await program(
      'busctl',
      `case "$*" in *ListInhibitors) echo '{"data":[[]]}';; *CanReboot) echo '{"data":["yes"]}';; esac`,
    );
    await program('systemctl', `echo "$*" >>${dir}/calls`);
    await writeFile(join(dir, 'calls'), '');
  }

  /** Two nodes with a sidecar, and a third one on another machine. */
  async function openMachine(): Promise<{ readonly all: Fleet; readonly calls: () => Promise<string> }> {
    const all = await openFleet({
      nodes: 3,
      withAgents: false,
      env: (_node, dir) => ({ PATH: `${join(dir, 'bin')}:${process.env['PATH'] ?? ''}` }),
      sections: ({ name }, dir) => ({ audit: join(dir, `${name}.log`) }),
    });
    fleet = all;
    const bin = join(all.dir, 'bin');
    await makeMachine(bin);
    for (const name of ['app1', 'app2']) await (await all.startAgent(name)).reaches('serving');
    return { all, calls: () => readFile(join(bin, 'calls'), 'utf8') };
  }

  /** From now on this is asked of the node each second. */
  async function schedule(all: Fleet, name: string, what: string): Promise<void> {
    const file = join(all.dir, `${name}.yaml`);
    const config = JSON.parse(await readFile(file, 'utf8')) as object;
    const entry = { cron: '* * * * * *', do: what, reason: 'patches' };
    await writeFile(file, JSON.stringify({ ...config, schedule: [entry] }));
    process.kill(all.agent(name).pid, 'SIGHUP');
  }

  const refusals = async ({ dir }: Fleet, name: string): Promise<Record<string, unknown>[]> =>
    (await readFile(join(dir, `${name}.log`), 'utf8').catch(() => ''))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ event, code }) => event === 'end' && code === 'busy');

  test('that both reboot it refuse each other, and each audit log has who and what to do; one that drains lets the other', async () => {
    const { all, calls } = await openMachine();
    await schedule(all, 'app1', 'reboot');
    await schedule(all, 'app2', 'reboot');
    for (const [name, other] of [
      ['app1', 'app2'],
      ['app2', 'app1'],
    ] as const) {
      const [first] = await until('it is refused twice', async () => {
        const refused = await refusals(all, name);
        return refused.length > 1 && refused;
      });
      expect(first).toMatchObject({
        operation: 'reboot',
        phase: 'serving',
        message: expect.stringMatching(
          new RegExp(
            `other nodes of this machine would go down with their users: ${other} is serving.*one node of a machine has the \`do: reboot\`, and each other one a \`do: drain\` before it`,
          ),
        ),
      });
    }
    expect(await calls()).toBe('');
    await schedule(all, 'app2', 'drain');
    await until('the reboot is asked for', async () => (await calls()).includes('reboot'));
    expect((await all.agent('app2').client.status(patience())).phase).toBe('drained');
    expect((await calls()).trimEnd().split('\n')).toEqual(['--system --no-ask-password --no-wall reboot']);
  });
});
