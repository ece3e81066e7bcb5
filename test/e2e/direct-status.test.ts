import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Status } from '../../agent/lifecycle/model/api.ts';
import { type CommandOutcome, lastcall } from '../support/cli.ts';
import { startRecorder } from '../support/recorder.ts';
import { openRig, type Rig } from '../support/rig.ts';

/** `lastcall status --haproxy`: no sidecar, no file, and nothing is changed. */

/** Nine, and a poll or two more on a slow machine. */
const MOST_QUESTIONS = 11;
const MOST_CHARACTERS = 300;

let rig: Rig;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

const status = (...words: readonly string[]): Promise<CommandOutcome> =>
  lastcall(['status', '--haproxy', rig.haproxy.socket, ...words]).outcome;
const statusOf = ({ stdout }: CommandOutcome): Status => JSON.parse(stdout) as Status;

test('Without a sidecar the status of a server is what HAProxy shows, and the node is called by it', async () => {
  await rig.haproxy.command('set server app/app1 state drain');
  const visitor = await rig.signIn();
  expect(visitor).toBeDefined();
  const before = await rig.states();
  const outcome = await status('--server', 'app/app1', '--json');
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  const seen = statusOf(outcome);
  expect(seen).toMatchObject({ node: 'app/app1', operation: null, alarms: [] });
  expect(seen.balancers).toMatchObject([
    {
      name: rig.haproxy.socket,
      reachable: true,
      servers: [{ name: 'app/app1', admin: 'drain', operational: 'up', owner: 'operator', queued: 0 }],
    },
  ]);
  const { code, stdout } = await status('--server', 'app/app1');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^app\/app1 {2}as HAProxy shows it, without a sidecar\n/);
  expect(stdout).toMatch(/connections: \d+ in all; no source counts users/);
  expect(stdout).toMatch(/app\/app1 +DRAIN +UP +held by operator/);
  expect(await rig.states()).toBe(before);
});

test('Without --server it shows every server of that HAProxy', async () => {
  const seen = statusOf(await status('--json'));
  expect(seen.node).toBe(rig.haproxy.socket);
  const names = seen.balancers[0]?.servers.map(({ name }) => name) ?? [];
  expect(names).toEqual(expect.arrayContaining(['app/app1', 'app/app2']));
  const rows = (await rig.haproxy.command('show stat -1 4 -1')).trim().split('\n');
  expect(names).toHaveLength(rows.length - 1);
});

test('A drain and its way back call the node by its servers, too: no sidecar has a name for it', async () => {
  const here = ['--haproxy', rig.haproxy.socket, '--server', 'app/app1', '--json'];
  const drained = await lastcall(['drain', ...here, '--quiet-for', '0s', '--not-sticky']).outcome;
  expect(JSON.parse(drained.stdout)).toMatchObject({ code: 'done', node: 'app/app1' });
  const back = await lastcall(['ready', ...here]).outcome;
  expect(JSON.parse(back.stdout)).toMatchObject({ code: 'done', node: 'app/app1' });
  const refused = await lastcall(['drain', ...here, '--expires', '1h']).outcome;
  expect(refused.stdout + refused.stderr).not.toContain(hostname());
});

test('From its start to DRAIN a direct drain asks HAProxy a few short questions, however many servers there are', async () => {
  const recorder = await startRecorder(rig.haproxy.socket, join(rig.dir, 'recorder'));
  try {
    const drain = ['drain', '--haproxy', recorder.socket, '--server', 'app/app1', '--not-sticky'];
    expect(await lastcall([...drain, '--quiet-for', '0s', '--json']).outcome).toMatchObject({ code: 0 });
    const lines = recorder.exchanges.map(({ line }) => line);
    const until = lines.findIndex((line) => line.startsWith('set server app/app1 state drain'));
    expect(until).toBeGreaterThan(0);
    expect(until).toBeLessThanOrEqual(MOST_QUESTIONS);
    expect(lines.slice(0, until).join('\n').length).toBeLessThan(MOST_CHARACTERS);
  } finally {
    await recorder.close();
  }
});

test('What cannot be shown is an error with its code, and the next step', async () => {
  expect(await status('--server', 'app/app9')).toMatchObject({
    code: 78,
    stdout: '',
    stderr: expect.stringMatching(/there is no server app\/app9.*name one of .*app\/app1/),
  });
  const nowhere = lastcall(['status', '--haproxy', join(rig.dir, 'none.sock'), '--server', 'app/app1']);
  expect(await nowhere.outcome).toMatchObject({ code: 69, stdout: '' });
  expect(await lastcall(['status', '--server', 'app/app1']).outcome).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('--server needs --haproxy'),
  });
  expect(await status('--socket', '/tmp/x.sock')).toMatchObject({ code: 64 });
  expect(await status('--haproxy', '/tmp/x.sock')).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('several --haproxy need --server'),
  });
  const json = await status('--server', 'app/app9', '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, code: 'no-such-server' });
});

test('Of two HAProxys one that is away is shown as such', async () => {
  const none = join(rig.dir, 'none.sock');
  const outcome = await status('--haproxy', none, '--server', 'app/app1', '--json');
  expect(outcome.code).toBe(0);
  expect(statusOf(outcome).balancers).toMatchObject([
    { name: rig.haproxy.socket, reachable: true },
    { name: none, reachable: false, error: expect.any(String) },
  ]);
});

test('With --watch it goes on until Ctrl-C, and shows each change', async () => {
  const words = ['status', '--haproxy', rig.haproxy.socket, '--server', 'app/app1', '--watch', '--json'];
  const running = lastcall(words);
  await running.said('"admin":"ready"');
  await rig.haproxy.command('set server app/app1 state maint');
  await running.said('"admin":"maint"');
  running.child.kill('SIGINT');
  const { code, stdout, stderr } = await running.outcome;
  expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
  for (const line of stdout.trim().split('\n')) expect((JSON.parse(line) as Status).node).toBe('app/app1');
  expect(await rig.admin()).toBe('MAINT');
});
