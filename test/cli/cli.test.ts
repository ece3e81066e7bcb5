import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Code, EXIT_CODES } from '../../agent/system/error.ts';
import { type Running, lastcall, start } from '../support/cli.ts';
import { objectOf } from '../support/one-object.ts';
import type { ScriptedService } from '../support/scripted-service.ts';
import { type ScriptedSidecar, openScriptedSidecar } from '../support/scripted-sidecar.ts';

const DIRECT_CLI = fileURLToPath(new URL('../../dist/test/fixtures/direct-cli.js', import.meta.url));

let sidecar: ScriptedSidecar;
let service: ScriptedService;

beforeEach(async () => {
  sidecar = await openScriptedSidecar();
  ({ service } = sidecar);
});
afterEach(() => sidecar.close());

const cli = (...args: string[]): Running => sidecar.cli(...args);

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

  test('sends the request and who makes it', async () => {
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
    await sidecar.stop();
    for (const verb of [['status'], ['drain'], ['stop', '--no-wait'], ['status', '--watch']]) {
      const { code, stdout, stderr } = await cli('--json', ...verb).outcome;
      expect(code).toBe(69);
      expect(objectOf(stdout)).toMatchObject({
        ok: false,
        code: 'agent-unreachable',
        target: sidecar.socket,
      });
      expect(stderr).toMatch(/^lastcall: no sidecar answers at [^\n]+\n$/);
      expect(stderr).toContain(sidecar.socket);
    }
  });

  test('finds the sidecar by the configuration file, named by option or by environment', async () => {
    const file = join(sidecar.dir, 'lastcall.yaml');
    await writeFile(file, `node: app1\nlisten:\n  control: ${sidecar.socket}\n`);
    expect((await lastcall(['status', '--json', '-c', file]).outcome).code).toBe(0);
    expect((await lastcall(['status', '--json'], { LASTCALL_CONFIG: file }).outcome).code).toBe(0);
    expect((await lastcall(['status', '-c', join(sidecar.dir, 'missing.yaml')]).outcome).code).toBe(78);
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
    const socket = join(sidecar.dir, 'no-haproxy.sock');
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
    const file = join(sidecar.dir, 'good.yaml');
    await writeFile(file, GOOD);
    const plain = await lastcall(['check', '-c', file]).outcome;
    expect(plain).toMatchObject({ code: 0, stdout: `${file}: ok (node app1)\n` });
    const { code, stdout } = await lastcall(['check', '-c', file, '--json']).outcome;
    expect(code).toBe(0);
    expect(objectOf(stdout)).toMatchObject({ ok: true, code: 'done', file });
  });

  test('names every problem with its place', async () => {
    const file = join(sidecar.dir, 'bad.yaml');
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
