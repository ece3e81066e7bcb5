import { readlinkSync, realpathSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { lastcall } from '../support/cli.ts';
import { openRig, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

// The main job of lastcall, with the HAProxy that is first on PATH and the Node that runs this file. The runner
// (main.ts) sets by the environment which ones they have to be.

let rig: Rig;
afterEach(() => rig.close());

const { LASTCALL_HAPROXY, LASTCALL_NODE } = process.env;

/** The rig, once it is proven that its HAProxy and this Node are those that the runner meant. */
async function openTheRig(): Promise<Rig> {
  rig = await openRig({ termMs: 50 });
  const version = /^Version: ([\d.]+)/m.exec(await rig.haproxy.command('show info'))?.[1];
  if (LASTCALL_HAPROXY !== undefined) expect(version).toBe(LASTCALL_HAPROXY);
  if (LASTCALL_NODE !== undefined) expect(process.versions.node).toBe(LASTCALL_NODE);
  return rig;
}

const stopWords = (): readonly string[] => [
  '--sessions',
  `${rig.node.url}/sessions`,
  '--stop-pid',
  rig.node.pidFile,
  // A command that hangs ends within the test's own time, and leaves no process behind.
  '--timeout',
  '30s',
];

const admin = (wanted: string): Promise<true> =>
  until(`app1 is in ${wanted}`, async () => (await rig.admin()) === wanted);

/** Where the program of a process is. */
const programOf = (pid: number): string => readlinkSync(`/proc/${pid}/exe`);

describe('direct stop and ready', () => {
  test('the stop waits for the user, and ready brings the node back', async () => {
    await openTheRig();
    const visitor = await rig.signIn();
    const running = rig.direct('stop', ...stopWords());
    const stopping = told(running);
    await admin('DRAIN');
    expect(programOf(running.child.pid ?? 0)).toBe(realpathSync(process.execPath));
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    expect(await rig.terms()).toBe(0);
    await visitor.leave();
    expect(await stopping).toMatchObject({
      code: 0,
      json: { phase: 'stopped', forced: 0, sessions: { start: 1, last: 0 } },
    });
    expect(await rig.admin()).toBe('MAINT');
    expect(await rig.node.terms()).toMatchObject([{ active: 0 }]);

    await rig.node.start();
    expect(await told(rig.direct('ready', '--health', `${rig.node.url}/health`))).toMatchObject({
      code: 0,
      json: { phase: 'serving' },
    });
    expect(await rig.admin()).toBe('no check');
    const next = await rig.signIn();
    expect(await next.click()).toEqual({ status: 200, node: 'app1', lost: false });
  });
});

describe('sidecar restart', () => {
  test('stops the application after its last user, starts it, and it serves again', async () => {
    await openTheRig();
    const agent = await rig.sidecar();
    expect(programOf(agent.pid)).toBe(realpathSync(process.execPath));
    const visitor = await rig.signIn();
    const restarting = told(agent.cli('restart', '--reason', 'deploy 41', '--timeout', '30s'));
    await agent.reaches('draining');
    await admin('DRAIN');
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    expect(await rig.terms()).toBe(0);
    await visitor.leave();
    expect(await restarting).toMatchObject({
      code: 0,
      json: { operation: 'restart', phase: 'serving', forced: 0, reason: 'deploy 41' },
    });
    expect(await rig.node.terms()).toMatchObject([{ active: 0 }]);
    expect(await rig.admin()).toBe('no check');
    const next = await rig.signIn();
    expect(await next.click()).toEqual({ status: 200, node: 'app1', lost: false });
  });
});

describe('abort restores', () => {
  test('Ctrl-C on a direct stop puts back what was found', async () => {
    await openTheRig();
    await rig.haproxy.command('set server app/app1 weight 50%');
    const before = await rig.states();
    const visitor = await rig.signIn();
    const { haproxy } = rig;
    const where = ['--haproxy', haproxy.socket, '--server', 'app/app1'];
    const running = lastcall(['stop', ...where, ...stopWords()]);
    await running.said('draining');
    await admin('DRAIN');
    running.child.kill('SIGINT');
    expect(await running.outcome).toMatchObject({ code: 130 });
    expect(await rig.states()).toBe(before);
    expect(await rig.terms()).toBe(0);
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
  });

  test('a deadline, and ready during a drain, put back what was found', async () => {
    await openTheRig();
    await rig.haproxy.command('set server app/app1 weight 50%');
    const before = await rig.states();
    const agent = await rig.sidecar();
    await rig.signIn();
    const late = await told(agent.cli('stop', '--timeout', '400ms'));
    expect(late).toMatchObject({ code: 124, json: { phase: 'serving', sessions: { last: 1 } } });
    expect(await rig.states()).toBe(before);

    await told(agent.cli('drain', '--no-wait'));
    await admin('DRAIN');
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    expect(await rig.states()).toBe(before);
    expect(await rig.terms()).toBe(0);
  });
});
