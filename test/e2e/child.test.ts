import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '../../agent/control/client.ts';
import type { Phase } from '../../agent/lifecycle/model/api.ts';
import { realClock } from '../../agent/system/clock.ts';
import { lastcall, type Running } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { openRig, patience, type Rig, type RigOptions, type Visitor } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
let running: Running | undefined;
afterEach(async () => {
  await kill();
  running = undefined;
  await rig.close();
});

/** `lastcall run -- COMMAND` in place of the rig's own application. */
async function open(options: RigOptions = {}, sections: object = {}): Promise<Visitor> {
  rig = await openRig({ termMs: 50, ...options });
  await rig.node.kill();
  const { dir, haproxy, node } = rig;
  const config = {
    node: 'app1',
    app: { probe: { http: { url: `${node.url}/health` }, every: '100ms', timeout: '1s', rise: 1 } },
    balancers: [{ haproxy: haproxy.socket, servers: ['app/app1'] }],
    sessions: [{ http: { url: `${node.url}/sessions` } }],
    drain: { quiet: '0s', timeout: '20s' },
    listen: { control: join(dir, 'child.sock') },
    state: join(dir, 'child.json'),
    ...sections,
  };
  await writeFile(join(dir, 'child.yaml'), JSON.stringify(config));
  await supervise().said('running');
  await node.untilServing(patience());
  return rig.signIn();
}

function supervise(): Running {
  const command = rig.node.startCommand.filter((word) => word !== '--daemon');
  running = lastcall(['run', '-c', join(rig.dir, 'child.yaml'), '--', ...command]);
  return running;
}

/** Its output is the application's too, and is closed only when both have ended. */
async function kill(): Promise<void> {
  const child = running?.child;
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

async function reaches(phase: Phase): Promise<void> {
  const client = createClient(join(rig.dir, 'child.sock'), realClock);
  for await (const { event, data } of client.events(patience())) {
    if (event === 'status' && data.phase === phase) return;
  }
  throw new Error(`the sidecar ended before it was ${phase}: ${JSON.stringify(await running?.outcome)}`);
}

const appPid = async (): Promise<number> => Number(await readFile(rig.node.pidFile, 'utf8'));

describe('lastcall run -- COMMAND', () => {
  test('SIGTERM lets the users finish, then stops the application, and passes its exit code on', async () => {
    const visitor = await open();
    await reaches('serving');
    running?.child.kill('SIGTERM');
    await until('app1 is in DRAIN', async () => (await rig.admin()) === 'DRAIN');
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    expect(await rig.terms()).toBe(0);
    await visitor.leave();
    expect(await running?.outcome).toMatchObject({ code: 0, signal: null });
    expect(await rig.terms()).toBe(1);
    expect(await rig.admin()).toBe('MAINT');
    expect(await rig.node.sessions()).toBeNull();
  });

  test('a server at a second port of the child stands against a stop; SIGTERM cannot be refused, and the log names it', async () => {
    const alsoPort = await freePort();
    const others = `  server app2 127.0.0.1:1 cookie app2\nbackend sockets\n  server ws1 127.0.0.1:${alsoPort}\n`;
    const visitor = await open({ alsoPort, others });
    await reaches('serving');
    const said = `sockets/ws1 is served by the process of app/app1, at port ${alsoPort}`;
    const refusal = await lastcall(['stop', '--socket', join(rig.dir, 'child.sock')]).outcome;
    expect(refusal).toMatchObject({ code: 75, stderr: expect.stringContaining(said) });
    running?.child.kill('SIGTERM');
    await reaches('draining');
    await visitor.leave();
    const { code, stderr } = (await running?.outcome) ?? {};
    expect(code).toBe(0);
    expect(stderr?.split('\n').find((line) => line.includes('stop has ended'))).toContain(said);
  });

  test('a second SIGTERM means now: forced, with the users still there', async () => {
    await open();
    await reaches('serving');
    running?.child.kill('SIGTERM');
    await reaches('draining');
    running?.child.kill('SIGTERM');
    expect((await running?.outcome)?.code).toBe(0);
    expect(await rig.terms()).toBe(1);
    expect(await rig.admin()).toBe('MAINT');
  });

  test('a second SIGTERM while HAProxy answers nothing: MAINT is still set, once it does', async () => {
    await open();
    await reaches('serving');
    running?.child.kill('SIGTERM');
    await until('app1 is in DRAIN', async () => (await rig.admin()) === 'DRAIN');
    await rig.haproxy.kill('SIGSTOP');
    running?.child.kill('SIGTERM');
    await until('the application has ended', async () => (await rig.node.sessions()) === null);
    await rig.haproxy.kill('SIGCONT');
    expect((await running?.outcome)?.code).toBe(0);
    expect(await rig.admin()).toBe('MAINT');
  });

  test('a second SIGTERM while HAProxy answers nothing any more: it ends all the same, and says what was not done', async () => {
    await open();
    await reaches('serving');
    running?.child.kill('SIGTERM');
    await until('app1 is in DRAIN', async () => (await rig.admin()) === 'DRAIN');
    await rig.haproxy.kill('SIGSTOP');
    running?.child.kill('SIGTERM');
    const { code, stderr } = (await running?.outcome) ?? {};
    expect(code).toBe(0);
    expect(stderr).toContain(`${rig.haproxy.socket}: app/app1 was not seen in MAINT within 2000 ms`);
  });

  test('its own deadline forces, and never restores', async () => {
    await open({}, { drain: { quiet: '0s', timeout: '500ms', onTimeout: 'restore' } });
    await reaches('serving');
    running?.child.kill('SIGTERM');
    expect((await running?.outcome)?.code).toBe(0);
    expect(await rig.terms()).toBe(1);
    expect(await rig.admin()).toBe('MAINT');
  });

  test('an application that ends by itself takes the sidecar with it, with its exit code', async () => {
    await open();
    await reaches('serving');
    process.kill(await appPid(), 'SIGKILL');
    expect((await running?.outcome)?.code).toBe(137);
  });

  test('kill -9 of the sidecar leaves the application and its users alone; the next one takes it up', async () => {
    const visitor = await open();
    await reaches('serving');
    const before = await appPid();
    await kill();
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    supervise();
    await running?.said('running');
    await reaches('serving');
    expect(await appPid()).toBe(before);
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    running?.child.kill('SIGTERM');
    await visitor.leave();
    const outcome = await running?.outcome;
    // A sidecar that was not its parent cannot know its exit code.
    expect(outcome?.code).not.toBeNull();
    expect({ terms: await rig.terms(), outcome }).toMatchObject({ terms: 1 });
  });

  test('restart keeps the sidecar and starts the application anew', async () => {
    const visitor = await open();
    await visitor.leave();
    await reaches('serving');
    const before = await appPid();
    const control = ['--socket', join(rig.dir, 'child.sock')];
    expect((await lastcall(['restart', ...control]).outcome).code).toBe(0);
    expect(await appPid()).not.toBe(before);
    expect(await rig.admin()).toBe('no check');
    expect(await rig.node.sessions()).toBe(0);
  });
});
