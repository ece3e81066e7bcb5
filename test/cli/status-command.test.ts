import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Status } from '../../agent/lifecycle/model/api.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { LASTCALL, type Running, start } from '../support/cli.ts';
import { objectOf } from '../support/one-object.ts';
import { HOLDERS, POOL } from '../support/scripted-answers.ts';
import type { ScriptedService } from '../support/scripted-service.ts';
import { type ScriptedSidecar, openScriptedSidecar } from '../support/scripted-sidecar.ts';

let sidecar: ScriptedSidecar;
let service: ScriptedService;

beforeEach(async () => {
  sidecar = await openScriptedSidecar();
  ({ service } = sidecar);
});
afterEach(() => sidecar.close());

const cli = (...args: string[]): Running => sidecar.cli(...args);

describe('lastcall status --pool', () => {
  test('prints the JSON of the control socket', async () => {
    const { code, stdout } = await cli('status', '--pool', '--json').outcome;
    expect([code, objectOf(stdout)]).toEqual([0, POOL]);
  });

  test('shows on one screen who is out, who waits and who failed, since when and why, and what HAProxy shows', async () => {
    const { code, stdout } = await cli('status', '--pool').outcome;
    expect(code).toBe(0);
    expect(stdout).toContain(
      'pool app  2 of 2 slots taken, 1 waiting, 1 failed (brake 1)  file /run/lock/app.lock\n',
    );
    expect(stdout).toMatch(/\napp1 +out +\S.* restart by cli alice@host \(deploy 41\)\n/);
    // Another node's name is text of another machine.
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toMatch(
      /\napp2\S* +failed +\S.* restart by schedule: it did not become healthy; its sidecar does not live: .*lastcall unlock app2/,
    );
    expect(stdout).toMatch(/\napp3 +waits, place 1 +\S.* stop by cli bob@host\n/);
    expect(stdout).toMatch(/admin\.sock +app\/app1 +MAINT +1m 1s +0 +0\n/);
    expect(stdout).toMatch(/admin\.sock +app\/app2 +DOWN 1\/2 +unknown +0\n/);
    expect(stdout).toMatch(/agent-check lb4 +unknown: it only polls, and shows no servers\n/);
  });

  test('prints the JSON with --quiet, too, and the text without it alone', async () => {
    const { code, stdout } = await cli('status', '--pool', '--json', '--quiet').outcome;
    expect([code, objectOf(stdout)]).toEqual([0, POOL]);
    expect(await cli('status', '--pool', '--quiet').outcome).toMatchObject({ code: 0, stdout: '' });
  });

  test('with --watch in a pipe is written once as long as nothing changes, and ends with Ctrl-C', async () => {
    const running = cli('status', '--pool', '--watch', '--json');
    await running.said('"waiters"');
    running.child.kill('SIGINT');
    const { code, stdout } = await running.outcome;
    expect([code, objectOf(stdout)]).toEqual([130, POOL]);
  });
});

describe('lastcall status', () => {
  test('prints the JSON of the control socket', async () => {
    const { code, stdout } = await cli('status', '--json').outcome;
    expect(code).toBe(0);
    expect(objectOf(stdout)).toEqual(service.status());
    expect(service.holdersAsked).toBe(0);
  });

  test('prints it with --quiet, too: a script reads one object whatever else it wants', async () => {
    const { code, stdout } = await cli('status', '--json', '--quiet').outcome;
    expect([code, objectOf(stdout)]).toEqual([0, service.status()]);
    expect(await cli('status', '--quiet').outcome).toMatchObject({ code: 0, stdout: '' });
  });

  test('tells who holds the node while it is going out, and asks for it only then', async () => {
    service.show('draining', 7);
    const { stdout } = await cli('status', '--json').outcome;
    expect(objectOf(stdout)).toEqual({ ...service.status(), holders: HOLDERS });
    service.show('drained', 0);
    expect(objectOf((await cli('status', '--json').outcome).stdout)).not.toHaveProperty('holders');
    expect(service.holdersAsked).toBe(1);
  });

  test('shows connections by kind, the longest-lived sessions and the course to people', async () => {
    service.show('draining', 2);
    const { stdout } = await cli('status').outcome;
    expect(stdout).toMatch(/HELD AT +SERVER +IN FLIGHT +TUNNELS +QUEUED +IDLE\n/);
    expect(stdout).toMatch(/admin\.sock +app\/app1 +1 +2 +0 +3\n/);
    expect(stdout).toMatch(/lb2 +app\/app1 +unknown: no answer\n/);
    expect(stdout).toMatch(/tunnel +2h 2m +\S+ +app\/app1 +4700 \(from before a reload\)\n/);
    expect(stdout).toMatch(/request +9s +\S+ +app\/app1 +4711\n/);
    expect(stdout).toContain(
      'sessions: 2 in all, gone in about 42s (at most 30m if no user clicks any more)\n',
    );
    expect(stdout).toContain('so far: █▅▃\n');
  });

  test('prints the rest when no balancer can say who holds the node', async () => {
    service.show('draining', 2);
    service.failNext(new LastcallError('failed', 'the engine is busy'));
    const { code, stdout } = await cli('status').outcome;
    expect(code).toBe(0);
    expect(stdout).toContain('who holds it: unknown (the engine is busy)\n');
    expect(objectOf((await cli('status', '--json').outcome).stdout)).toMatchObject({ holders: null });
  });

  test('shows the node, its servers and its sources to people', async () => {
    service.show('draining', null);
    const { stdout } = await cli('status').outcome;
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^app1 {2}draining since 2026-01-01T00:00:00.000Z \(.+\) {2}health up$/);
    expect(stdout).toMatch(/BALANCER +SERVER +ADMIN +STATE +OWNER +FOR +CONN +QUEUE\n/);
    expect(stdout).toMatch(/unix:\/run\/haproxy\/admin.sock +app\/app1 +DRAIN +UP +none +unknown +0\n/);
    expect(stdout).toMatch(/http +unknown +.+ ago\n/);
    expect(stdout).toContain('sessions: unknown in all, gone in about 42s');
  });

  test('follows the node with --watch, one object a line with --json, until Ctrl-C', async () => {
    const running = cli('status', '--watch', '--json');
    await running.said('serving');
    service.show('draining', 1);
    await running.said('draining');
    running.child.kill('SIGINT');
    const { code, stdout } = await running.outcome;
    expect(code).toBe(130);
    const phases = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as Status).phase);
    expect(phases).toEqual(['serving', 'draining']);
  });

  test('follows the node with --watch in a pipe, a plain line for each change', async () => {
    const running = cli('status', '--watch');
    await running.said('serving: 0 sessions');
    service.show('draining', 9);
    await running.said('draining: 9 sessions');
    while (service.holdersAsked < 2) await new Promise(setImmediate);
    service.show('settling', 0);
    await running.said('settling');
    running.child.kill('SIGINT');
    const { code, stdout } = await running.outcome;
    expect(code).toBe(130);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.replace(/^\S+Z /, 'TIME '))).toEqual([
      'TIME app1 serving: 0 sessions',
      'TIME app1 draining: 9 sessions; gone in about 42s (at most 30m if no user clicks any more)',
      'TIME app1 settling: 0 sessions; in flight unknown, tunnels unknown, queued unknown',
    ]);
  });

  test('shows the whole picture again and again with --watch on a terminal', async () => {
    service.show('draining', 9);
    const watch = `${process.execPath} ${LASTCALL} --socket ${sidecar.socket} status --watch`;
    const running = start('script', ['-qec', watch, '/dev/null'], { TERM: 'xterm', NO_COLOR: '1' });
    await running.said('so far: █▅▃');
    await running.said('HELD AT');
    service.show('serving', 0);
    await running.said('serving');
    running.child.stdin.write('\u0003');
    const { code, stdout } = await running.outcome;
    expect(code).toBe(130);
    const last = stdout.split('\u001b[H\u001b[J').at(-1) ?? '';
    expect(last).toContain('app1  serving');
    expect(last).not.toContain('HELD AT');
  });

  test('ends with 69 when the sidecar that it watches ends', async () => {
    const running = cli('status', '--watch');
    await running.said('serving');
    await sidecar.stop();
    expect((await running.outcome).code).toBe(69);
  });
});
