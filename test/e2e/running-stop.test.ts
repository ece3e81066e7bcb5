import { afterEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openRig, patience, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

/** A stop command that writes a line, waits until it is let go, writes another one, and ends the application. */
async function stage() {
  rig = await openRig({ termMs: 0 });
  const [marks, door] = [join(rig.dir, 'stops'), join(rig.dir, 'door')];
  execFileSync('mkfifo', [door]);
  const script = `echo begun; echo begun >>${marks}; read -r line <${door}; echo word && echo word >&2 && kill $(cat ${rig.node.pidFile}) && echo ended >>${marks}`;
  const app = {
    probe: { http: { url: `${rig.node.url}/health` }, every: '100ms', fall: 1 },
    stop: { command: ['sh', '-c', script] },
  };
  return {
    start: () => rig.sidecar({ sections: { app } }),
    isRunning: () => until('the stop has begun', async () => (await read(marks)) === 'begun\n'),
    letGo: () => writeFile(door, '\n'),
    marks: () => read(marks),
  };
}

const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

/** It is on disk which process it is: the sidecar may be killed from now on. */
const isNoted = (): Promise<unknown> =>
  until('the stop is written down', async () => (await read(join(rig.dir, 'app1.json.stop'))) !== '');

describe('A stop command that is under way when the sidecar ends goes on, and the next one waits for its end', () => {
  test.each(['SIGTERM', 'kill -9'])('%s', async (death) => {
    const { start, isRunning, letGo, marks } = await stage();
    const first = await start();
    await first.reaches('serving');
    const { json } = await told(first.cli('stop', '--no-wait'));
    await isRunning();
    await isNoted();
    await (death === 'SIGTERM' ? first.stop() : first.kill());
    expect(await rig.node.sessions()).toBe(0);

    const second = await start();
    expect(await second.reaches('stopping')).toMatchObject({ operation: { id: json.id } });
    await letGo();
    expect(await second.ends(json.id)).toMatchObject({ ok: true, code: 'done', phase: 'stopped' });
    expect(await marks()).toBe('begun\nended\n');
    expect(await rig.terms()).toBe(1);
    expect(await rig.admin()).toBe('MAINT');
    await second.stop();
  });

  test('it ends while there is no sidecar: the next one finds the application gone', async () => {
    const { start, isRunning, letGo, marks } = await stage();
    const first = await start();
    await first.reaches('serving');
    const { json } = await told(first.cli('stop', '--no-wait'));
    await isRunning();
    await first.stop();
    await letGo();
    await until('the stop has ended', async () => (await marks()) === 'begun\nended\n');

    const second = await start();
    expect(await second.ends(json.id)).toMatchObject({ ok: true, code: 'done', phase: 'stopped' });
    expect(await rig.terms()).toBe(1);
    await second.stop();
  });

  test('SIGHUP in the middle of it: the new configuration waits for its end, and its end is seen', async () => {
    const { start, isRunning, letGo, marks } = await stage();
    const agent = await start();
    await agent.reaches('serving');
    const { json } = await told(agent.cli('stop', '--no-wait'));
    await isRunning();
    const file = join(rig.dir, 'app1.yaml');
    const config = JSON.parse(await readFile(file, 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...config, reloadGrace: '2s' }));
    process.kill(agent.pid, 'SIGHUP');
    await until('it is read', () => agent.log().includes('the configuration is read again'));
    expect((await agent.client.status(patience())).phase).toBe('stopping');
    await letGo();
    expect(await agent.ends(json.id)).toMatchObject({ ok: true, code: 'done', phase: 'stopped' });
    await until('it has taken effect', () => agent.log().includes('has taken effect'));
    expect(await marks()).toBe('begun\nended\n');
    await agent.reaches('stopped');
    expect(await rig.admin()).toBe('MAINT');
    await agent.stop();
  });
});
