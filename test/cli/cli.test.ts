import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ControlServer, openControl } from '../../agent/control/server.ts';
import type { Status } from '../../agent/lifecycle/model/api.ts';
import { realClock } from '../../agent/system/clock.ts';
import { type Code, EXIT_CODES, LastcallError } from '../../agent/system/error.ts';
import { LASTCALL, type Running, lastcall, start } from '../support/cli.ts';
import { HOLDERS, POOL } from '../support/scripted-answers.ts';
import { ready, type ScriptedService, createScriptedService } from '../support/scripted-service.ts';
import { type TempDir, makeTempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

const DIRECT_CLI = fileURLToPath(new URL('../../dist/test/fixtures/direct-cli.js', import.meta.url));

let dir: TempDir;
let path: string;
let service: ScriptedService;
let control: ControlServer;

beforeEach(async () => {
  dir = await makeTempDir();
  path = join(dir.path, 'app1.sock');
  service = createScriptedService();
  control = await openControl({ path, mode: 0o600, group: null }, { service, clock: realClock, ready });
});
afterEach(async () => {
  await control.close();
  await dir.remove();
});

const cli = (...args: string[]): Running => lastcall(['--socket', path, ...args]);

const RECEIPT =
  'receipt: connection errors 0, response errors 0, redispatches 0, client aborts 0, HTTP 5xx 0';

/** The one JSON object on stdout: one line, nothing else. */
function objectOf(stdout: string): Record<string, unknown> {
  expect(stdout).toMatch(/^[^\n]+\n$/);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('The built command line', () => {
  const codes = (Object.entries(EXIT_CODES) as [Code, number][]).filter(
    ([code]) => !['accepted', 'usage', 'agent-unreachable', 'interrupted'].includes(code),
  );

  test.each(codes)(
    'ends an operation whose result is %s with %i, and prints that result',
    async (code, exit) => {
      const running = cli('--json', 'stop', '--reason', 'deploy 41');
      await service.submitted(1);
      service.finish(code, code === 'done' ? {} : { message: 'told by the engine' });
      const outcome = await running.outcome;
      expect(outcome).toMatchObject({ code: exit, signal: null });
      expect(objectOf(outcome.stdout)).toEqual(service.result(service.requests[0]?.id ?? ''));
      if (code === 'done') expect(outcome.stderr).toBe('');
      else expect(outcome.stderr).toMatch(/^lastcall: stop of app1 [^\n]*told by the engine\n$/);
    },
  );

  test('prints a refusal, and exits with its code', async () => {
    service.refuseNext('guard', 'app/app1 is the last usable server; start another, or use --force --reason');
    const { code, stdout, stderr } = await cli('drain', '--json').outcome;
    expect(code).toBe(75);
    expect(objectOf(stdout)).toMatchObject({ ok: false, code: 'guard', node: 'app1' });
    expect(stderr).toMatch(/^lastcall: drain of app1 [^\n]*last usable server[^\n]*\n$/);
  });

  test('sends the words and who says them', async () => {
    await cli(
      'drain',
      '--no-wait',
      '--no-fence',
      '--timeout',
      '5m',
      '--on-timeout',
      'hold',
      '--expires',
      '2h',
    ).outcome;
    expect(service.requests).toEqual([
      expect.objectContaining({
        kind: 'drain',
        fence: false,
        timeoutMs: 300_000,
        onTimeout: 'hold',
        expiresMs: 7_200_000,
        by: expect.stringMatching(/^cli .+@.+$/),
      }),
    ]);
  });

  test('does not wait with --no-wait', async () => {
    const { code, stdout } = await cli('stop', '--no-wait', '--json').outcome;
    expect(code).toBe(0);
    expect(objectOf(stdout)).toMatchObject({
      ok: true,
      code: 'accepted',
      operation: 'stop',
      id: service.requests[0]?.id,
    });
  });

  test('is 69 with one JSON object when there is no sidecar', async () => {
    await control.close();
    for (const verb of [['status'], ['drain'], ['stop', '--no-wait'], ['status', '--watch']]) {
      const { code, stdout, stderr } = await cli('--json', ...verb).outcome;
      expect(code).toBe(69);
      expect(objectOf(stdout)).toMatchObject({ ok: false, code: 'agent-unreachable', target: path });
      expect(stderr).toMatch(/^lastcall: no sidecar answers at [^\n]+\n$/);
      expect(stderr).toContain(path);
    }
  });

  test('finds the sidecar by the configuration file, named by option or by environment', async () => {
    const file = join(dir.path, 'lastcall.yaml');
    await writeFile(file, `node: app1\nlisten:\n  control: ${path}\n`);
    expect((await lastcall(['status', '--json', '-c', file]).outcome).code).toBe(0);
    expect((await lastcall(['status', '--json'], { LASTCALL_CONFIG: file }).outcome).code).toBe(0);
    expect((await lastcall(['status', '-c', join(dir.path, 'missing.yaml')]).outcome).code).toBe(78);
  });

  test('is quiet with --quiet, except for errors', async () => {
    const running = cli('--quiet', 'drain');
    await service.submitted(1);
    service.finish('done', { phase: 'drained', warnings: ['something odd'] });
    expect(await running.outcome).toMatchObject({ code: 0, stdout: '', stderr: '' });
    service.refuseNext('held', 'held by an operator');
    expect(await cli('--quiet', 'drain').outcome).toMatchObject({
      code: 75,
      stdout: '',
      stderr: expect.stringContaining('held'),
    });
  });

  test('shows what a dry run would do', async () => {
    const running = cli('restart', '--dry-run');
    await service.submitted(1);
    service.finish('done', { plan: ['drain app/app1', 'stop the app'] });
    expect((await running.outcome).stdout).toContain('would drain app/app1\nwould stop the app\n');
    expect(service.requests[0]?.dryRun).toBe(true);
  });
});

describe('A waiting command in a pipe', () => {
  test('writes plain lines, one per change, and the result with its warnings', async () => {
    service.show('serving', 37);
    const running = cli('stop');
    await running.said('draining, 37 sessions');
    service.show('draining', 37);
    service.show('settling', 0);
    service.show('stopping', 0);
    await running.said('stopping');
    service.finish('done', { phase: 'stopped', forced: 2, warnings: ['2 sessions were ended by force'] });
    const { code, stdout, stderr } = await running.outcome;
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'stop accepted',
      'app1: draining, 37 sessions, 1s elapsed, 1m left, then restore',
      'app1: settling, 0 sessions, 1s elapsed, 1m left, then restore',
      'app1: stopping, 0 sessions, 1s elapsed, 1m left',
      RECEIPT,
      'stop of app1 done in 12s: stopped, sessions 37 -> 0, 2 ended by force',
      '',
    ]);
    expect(stderr).toBe('lastcall: warning: 2 sessions were ended by force\n');
  });

  test('tells the receipt of a failure too, unknown where it cannot be told, with the reason, and none of a refusal', async () => {
    const running = cli('stop');
    await running.said('draining');
    const unknown = { connectionErrors: null, responseErrors: null, redispatches: null, clientAborts: null };
    const why =
      'haproxy: the counters of app/app1 began anew during the operation; the receipt has no numbers';
    service.finish('deadline', { receipt: { ...unknown, http5xx: null }, warnings: [why] });
    const { code, stdout, stderr } = await running.outcome;
    expect(code).toBe(124);
    expect(stdout.split('\n')).toContain(RECEIPT.replaceAll('0', 'unknown'));
    expect(stderr).toContain(`lastcall: warning: ${why}\n`);
    service.refuseNext('guard', 'the last usable server');
    expect((await cli('stop').outcome).stdout).not.toContain('receipt');
  });

  test('names no id, since no command takes one', async () => {
    const running = cli('stop');
    await running.said('draining');
    const [stop] = service.requests;
    const texts = [(await cli('status').outcome).stdout, (await cli('stop', '--no-wait').outcome).stdout];
    running.child.kill('SIGINT');
    const { stdout, stderr } = await running.outcome;
    for (const text of [...texts, stdout, stderr])
      expect(text).not.toMatch(new RegExp(`${stop?.id ?? 'none'}|[\\da-f]{8}-[\\da-f]{4}-|\\bid\\b`));
  });

  test('says unknown, never zero', async () => {
    service.show('serving', null);
    const running = cli('stop');
    await running.said('sessions unknown');
    service.finish('done');
    await running.outcome;
  });

  test('goes on when the sidecar is restarted', async () => {
    const running = cli('stop');
    await running.said('draining');
    await control.close();
    await running.said('waiting for it to come back');
    control = await openControl({ path, mode: 0o600, group: null }, { service, clock: realClock, ready });
    await running.said('the sidecar is back');
    service.finish('done', { phase: 'stopped' });
    expect(await running.outcome).toMatchObject({ code: 0, stdout: expect.stringContaining('stopped') });
  });

  test.each([
    ['SIGINT', 130],
    ['SIGHUP', 130],
    ['SIGTERM', 143],
  ] as const)(
    'leaves the operation alone on %s, says how to undo it, and exits with %i',
    async (signal, exit) => {
      const running = cli('stop');
      await running.said('draining');
      running.child.kill(signal);
      const { code, stderr } = await running.outcome;
      expect(code).toBe(exit);
      expect(stderr).toMatch(
        /^lastcall: interrupted by SIG\w+: [^\n]+ goes on [^\n]+`lastcall ready --socket [^\n]+`\n$/,
      );
      expect(service.cancelled).toEqual([]);
      expect(service.result(service.requests[0]?.id ?? '')).toBe('running');
    },
  );

  test('takes a reader who has gone for a hang-up', async () => {
    const running = cli('status', '--watch');
    await running.said('app1');
    running.child.stdout.destroy();
    let ended = false;
    void running.outcome.then(() => (ended = true));
    // Its first line may come from before it follows the changes, and only what it writes tells it.
    let isServing = true;
    await until('it has ended', () => {
      isServing = !isServing;
      service.show(isServing ? 'serving' : 'unhealthy', 1);
      return ended;
    });
    expect((await running.outcome).code).toBe(130);
  });

  test('prints one JSON object when it is interrupted', async () => {
    const running = cli('--json', 'stop');
    await service.submitted(1);
    running.child.kill('SIGTERM');
    const { code, stdout } = await running.outcome;
    expect(code).toBe(143);
    expect(objectOf(stdout)).toMatchObject({
      ok: false,
      code: 'interrupted',
      operation: 'stop',
      node: 'app1',
    });
  });
});

describe('A waiting command on a terminal', () => {
  const CLEAR = '\r\u001b[2K';
  const onTerminal = (env: Record<string, string> = {}): Running =>
    start('script', ['-qec', `${process.execPath} ${LASTCALL} --socket ${path} drain`, '/dev/null'], {
      TERM: 'xterm',
      ...env,
    });

  test('rewrites one line with the sessions left, the course of them, and the time', async () => {
    service.show('serving', 8);
    const running = onTerminal();
    await running.said('8 sessions');
    service.show('draining', 4);
    await running.said('█▅');
    await running.said('1m left, then restore');
    service.finish('done', { phase: 'drained' });
    const { code, stdout } = await running.outcome;
    expect(code).toBe(0);
    expect(stdout).toContain(
      `${CLEAR}\u001b[1mapp1 draining\u001b[22m\u001b[1m  4 sessions\u001b[22m  gone in about`,
    );
    const last = [RECEIPT, 'drain of app1 done in 12s: drained, sessions 37 -> 4'];
    expect(
      stdout
        .trimEnd()
        .replaceAll('\r\n', '\n')
        .endsWith(`${CLEAR}${last.join('\n')}`),
    ).toBe(true);
  });

  test('uses no colours where no terminal shows them', async () => {
    const running = onTerminal({ NO_COLOR: '1' });
    await running.said('draining');
    service.finish('done');
    const { stdout } = await running.outcome;
    expect(stdout).toContain(`${CLEAR}app1 draining`);
    expect(stdout.replaceAll('\u001b[2K', '')).not.toContain('\u001b[');
  });

  test('is left clean by Ctrl-C', async () => {
    const running = onTerminal();
    await running.said('draining');
    running.child.stdin.write('\u0003');
    const { code, stdout } = await running.outcome;
    expect(code).toBe(130);
    expect(stdout).toContain(`${CLEAR}lastcall: interrupted by SIGINT: the drain goes on`);
  });
});

describe('Direct mode', () => {
  const DRAIN = ['drain', '--haproxy', '/run/haproxy.sock', '--server', 'app/app1'];
  const direct = (env: Record<string, string> = {}): Running =>
    start(process.execPath, [DIRECT_CLI, ...DRAIN], env);

  test.each([
    ['SIGINT', 130],
    ['SIGHUP', 130],
    ['SIGTERM', 143],
  ] as const)('gives back what was found on %s before it exits with %i', async (signal, exit) => {
    const running = direct();
    await running.said('draining, 3 sessions');
    running.child.kill(signal);
    const outcome = await running.outcome;
    expect(outcome.code).toBe(exit);
    expect(outcome.stderr).toMatch(/^cancelling\nlastcall: interrupted by SIG\w+: [^\n]*restored\nclosed\n$/);
  });

  test('is 69 with one JSON object when the balancer cannot be asked', async () => {
    const socket = join(dir.path, 'no-haproxy.sock');
    const words = ['drain', '--json', '--haproxy', socket, '--server', 'app/app1'];
    const { code, stdout, stderr } = await lastcall(words).outcome;
    expect(code).toBe(69);
    expect(objectOf(stdout)).toMatchObject({ ok: false, code: 'balancer-unreachable', operation: 'drain' });
    expect(stderr).toContain(socket);
  });

  test('ends at once at the second signal, and names what was not restored', async () => {
    const running = direct({ STUBBORN: '1' });
    await running.said('draining, 3 sessions');
    running.child.kill('SIGINT');
    await running.said('cancelling');
    running.child.kill('SIGINT');
    const { code, stderr } = await running.outcome;
    expect(code).toBe(130);
    expect(stderr).toContain('not restored: unix:/run/haproxy/admin.sock: app/app1 is DRAIN and was READY');
  });
});

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

  test('is told all the same when no balancer can say who holds the node', async () => {
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
    const watch = `${process.execPath} ${LASTCALL} --socket ${path} status --watch`;
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
    await control.close();
    expect((await running.outcome).code).toBe(69);
  });
});

describe('lastcall check', () => {
  const GOOD = `node: app1
app:
  probe: { http: { url: "http://127.0.0.1:8080/health" } }
  stop: { signal: { pidFile: /run/app.pid } }
balancers:
  - haproxy: unix:/run/haproxy/admin.sock
    servers: [app/app1]
`;

  test('accepts a good file, and says so in a line or an object', async () => {
    const file = join(dir.path, 'good.yaml');
    await writeFile(file, GOOD);
    const plain = await lastcall(['check', '-c', file]).outcome;
    expect(plain).toMatchObject({ code: 0, stdout: `${file}: ok (node app1)\n` });
    const { code, stdout } = await lastcall(['check', '-c', file, '--json']).outcome;
    expect(code).toBe(0);
    expect(objectOf(stdout)).toMatchObject({ ok: true, code: 'done', file });
  });

  test('names every problem with its place', async () => {
    const file = join(dir.path, 'bad.yaml');
    await writeFile(file, `${GOOD}sever: x\n`);
    const { code, stdout, stderr } = await lastcall(['check', '-c', file, '--json']).outcome;
    expect(code).toBe(78);
    expect(stderr).toContain(`${file}:8:1: `);
    expect(objectOf(stdout)).toMatchObject({ ok: false, code: 'config' });
    const run = await lastcall(['run', '-c', file, '--json']).outcome;
    expect(run.code).toBe(78);
    expect(objectOf(run.stdout)).toMatchObject({
      ok: false,
      code: 'config',
      message: expect.stringContaining(`${file}:8:1`),
    });
  });
});
