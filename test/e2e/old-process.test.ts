import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { startFake, answerOn, type FakeHaproxy } from '../support/fake-haproxy.ts';
import { openWebsocket } from '../support/app-with-open-connections.ts';
import { openRig, patience, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
const children: ChildProcess[] = [];
const fakes: FakeHaproxy[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  await rig.close();
  for (const fake of fakes.splice(0)) await fake.stop();
});

const COOKIE = 'SRV=app1';
const port = (): number => Number(new URL(rig.url).port);
const stopWords = (timeout: string): string[] =>
  `--stop-pid ${rig.node.pidFile} --not-sticky --quiet-for 0s --timeout ${timeout}`.split(' ');

/** A new HAProxy in the old one's place, as a package without a master reloads it; answers with its pid. */
async function replaceBySf(): Promise<number> {
  const args = ['-db', '-f', join(rig.haproxy.dir, 'haproxy.cfg'), '-sf', String(rig.haproxy.pid)];
  const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'haproxy', ...args], {
    stdio: 'ignore',
    env: { ...process.env, PATH },
  });
  children.push(child);
  const pid = child.pid ?? 0;
  await until('the new one answers', async () => (await rig.haproxy.workerPid()) === pid);
  return pid;
}

/** Not while the old worker's websocket is there, with the reason; and once it has gone. */
async function stopsOnlyWithoutIt(
  stop: (timeout: string) => ReturnType<typeof told>,
  old: number,
  leave: () => void,
): Promise<void> {
  const early = await stop('2s');
  expect(early).toMatchObject({ code: 124, json: { code: 'deadline', forced: 0 } });
  expect(early.json.message).toContain(`old worker ${old} of before a reload still lives`);
  expect(early.json.balancers[0]?.servers[0]?.connections).toBeNull();
  expect(await rig.terms()).toBe(0);
  const late = stop('30s');
  await until('it drains', async () => (await rig.admin()) === 'DRAIN');
  expect(await rig.terms()).toBe(0);
  leave();
  expect(await late).toMatchObject({ code: 0, json: { code: 'done', phase: 'stopped', forced: 0 } });
  expect(await rig.terms()).toBe(1);
}

describe('A reload right before the stop, without a master socket and with a websocket on the old worker', () => {
  test('by -sf, in direct mode: not stopped while the old process lives', async () => {
    rig = await openRig({ termMs: 20 });
    const old = rig.haproxy.pid;
    const socket = await openWebsocket(port(), COOKIE);
    await replaceBySf();
    const stop = (timeout: string): ReturnType<typeof told> =>
      told(rig.direct('stop', ...stopWords(timeout)));
    await stopsOnlyWithoutIt(stop, old, () => socket.leave());
  });

  test('of a master, before the sidecar began: not stopped while the old worker lives', async () => {
    rig = await openRig({ master: true, termMs: 20 });
    const old = await rig.haproxy.workerPid();
    const socket = await openWebsocket(port(), COOKIE);
    await rig.haproxy.reload();
    const agent = await rig.sidecar({ sections: { sticky: false, sessions: [], reloadGrace: '10m' } });
    await agent.reaches('serving');
    const stop = (timeout: string): ReturnType<typeof told> => told(agent.cli('stop', '--timeout', timeout));
    const { balancers } = await agent.client.status(patience());
    expect(balancers[0]).toMatchObject({ workers: 2, error: expect.stringContaining(`old worker ${old}`) });
    await stopsOnlyWithoutIt(stop, old, () => socket.leave());
  });

  test('is no doubt of a HAProxy that is only young: alone on this machine it is stopped at once', async () => {
    rig = await openRig({ termMs: 20 });
    const { code, json } = await told(rig.direct('stop', ...stopWords('20s')));
    expect({ code, warnings: json.warnings.filter((text) => text.includes('worker')) }).toEqual({
      code: 0,
      warnings: [],
    });
  });
});

describe('HAProxy 3.4 in recovery mode, which any connection to its master would end', () => {
  test('has none while the sidecar serves, over a reload too', async () => {
    const counts = { looks: 0 };
    const own = await startFake((line, socket) =>
      answerOn(
        socket,
        line
          .split(';')
          .map((command) => answer(command, counts))
          .join(''),
      ),
    );
    const master = await startFake((_line, socket: Socket) => socket.end('\n'));
    fakes.push(own, master);
    rig = await openRig();
    const balancers = [{ haproxy: `unix:${own.path}`, master: `unix:${master.path}`, servers: ['app/app1'] }];
    const agent = await rig.sidecar({ sections: { balancers, sessions: [], sticky: false } });
    await agent.reaches('serving');
    await until('it has looked some times', () => counts.looks >= 4);
    expect(master.received).toEqual([]);
    expect(agent.log().match(/HAProxy 3\.4\.0 a connection to the master CLI/g)).toHaveLength(1);
    // Open connections may be asked for.
    await agent.client.holders(patience());
    expect(master.received.length).toBeGreaterThan(0);
  });
});

/** A worker that serves alone, and another one from the third look on. */
function answer(command: string, counts: { looks: number }): string {
  if (command === 'show info') {
    counts.looks += 1;
    const pid = counts.looks < 3 ? 200 : 201;
    return `Name: HAProxy\nVersion: 3.4.0\nPid: ${pid}\nUptime_sec: 9\nStopping: 0\n\n`;
  }
  if (command === 'show cli level') return 'admin\n\n';
  if (command.startsWith('show servers state'))
    return '1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state\n3 app 1 app1 - 2 0\n\n';
  if (command.startsWith('show stat'))
    return '# pxname,svname,qcur,scur,stot,status,idle_conn_cur,mode,econ,eresp,wredis,hrsp_5xx,\napp,app1,0,0,0,UP,0,http,0,0,0,0,\n\n';
  return '\n';
}
