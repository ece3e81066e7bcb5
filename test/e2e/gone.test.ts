import { afterEach, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processStatus, startTimeOf } from '../../agent/system/process.ts';
import { packageRoot } from '../support/sample.ts';
import { openRig, patience, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
const pidOf = async (): Promise<number> => Number(await readFile(rig.node.pidFile, 'utf8'));

/** From SIGTERM, at which its listener closes, to its end. */
const LEAVES_MS = 3_000;

/** A stop command that returns at once, and a start command that tells when it begins beside the first application. */
async function stage(gone: object | null) {
  rig = await openRig({ termMs: LEAVES_MS, closesFirst: true });
  const twice = join(rig.dir, 'twice');
  // A zombie has ended.
  const script = `grep -q '^State:.[^ZX]' /proc/$(cat ${rig.node.pidFile})/status 2>/dev/null && echo twice >>${twice}; exec "$@"`;
  const proof = gone && 'port' in gone ? { port: rig.node.port } : { pidFile: rig.node.pidFile };
  const app = {
    probe: { http: { url: `${rig.node.url}/health` }, every: '100ms', fall: 2 },
    start: { command: ['sh', '-c', script, 'sh', ...rig.node.startCommand] },
    stop: { command: ['sh', '-c', `kill $(cat ${rig.node.pidFile})`], ...(gone && { gone: proof }) },
  };
  return { start: () => rig.sidecar({ sections: { app } }), twice: () => read(twice) };
}

describe('A stop command that returns before the application has ended', () => {
  test.each([['pidFile'], ['port']])('and gone: { %s }: restart starts the second after it', async (key) => {
    const { start, twice } = await stage({ [key]: true });
    const agent = await start();
    await agent.reaches('serving');
    const pid = await pidOf();
    const startTime = startTimeOf(pid) ?? '';
    const { code, json } = await told(agent.cli('restart'));
    expect({ code, json }).toMatchObject({ code: 0, json: { code: 'done', phase: 'serving' } });
    expect(json.warnings.join()).not.toContain('proves');
    expect(json.seconds * 1000).toBeGreaterThanOrEqual(LEAVES_MS);
    expect(await twice()).toBe('');
    expect(processStatus(pid, startTime)).toBe('gone');
    expect(await rig.terms()).toBe(1);
  });

  test('is waited for by the next sidecar, when this one is killed after the command and before the end', async () => {
    const { start, twice } = await stage({ port: true });
    const first = await start();
    await first.reaches('serving');
    const pid = await pidOf();
    const { json } = await told(first.cli('restart', '--no-wait'));
    await until('the application has been told to end', async () => (await rig.terms()) === 1);
    // However long the next sidecar takes to come: the application does not end before it is there.
    process.kill(pid, 'SIGSTOP');
    await first.kill();
    expect(processStatus(pid, startTimeOf(pid) ?? '')).toBe('alive');
    const second = await start();
    expect(await second.reaches('stopping')).toMatchObject({ operation: { id: json.id } });
    process.kill(pid, 'SIGCONT');
    expect(await second.ends(json.id)).toMatchObject({ ok: true, code: 'done', phase: 'serving' });
    expect(await twice()).toBe('');
    expect(await rig.terms()).toBe(1);
  });

  test('and no proof: restart is refused before anything is changed, stop warns', async () => {
    const { start } = await stage(null);
    const agent = await start();
    await agent.reaches('serving');
    const before = await rig.states();
    const refused = await told(agent.cli('restart'));
    expect(refused).toMatchObject({ code: 78, json: { ok: false, code: 'config', phase: 'serving' } });
    expect(refused.stderr).toContain('app.stop.gone');
    expect(await rig.states()).toBe(before);
    expect(await rig.terms()).toBe(0);

    const stopped = await told(agent.cli('stop'));
    expect(stopped).toMatchObject({ code: 0, json: { code: 'done', phase: 'stopped' } });
    expect(stopped.json.warnings.join()).toContain('nothing proves that the application is gone');
  });

  test('and no proof: ready waits for the process that listened before the stop, and starts the second after it', async () => {
    const { start, twice } = await stage(null);
    const agent = await start();
    await agent.reaches('serving');
    const pid = await pidOf();
    const startTime = startTimeOf(pid) ?? '';
    await told(agent.cli('stop'));
    expect(processStatus(pid, startTime)).toBe('alive');
    const { code, json } = await told(agent.cli('ready'));
    expect({ code, json }).toMatchObject({ code: 0, json: { code: 'done', phase: 'serving' } });
    expect(json.warnings.join()).toContain(`process ${pid}, which listened at its port, lives`);
    expect(processStatus(pid, startTime)).toBe('gone');
    expect(await twice()).toBe('');
  });

  test('idempotent: it is run again after a crash in which it ended, too', async () => {
    rig = await openRig({ termMs: 0 });
    const [marks, door] = [join(rig.dir, 'stops'), join(rig.dir, 'door')];
    execFileSync('mkfifo', [door]);
    const script = `echo $$ >>${marks}; read -r line <${door}; kill $(cat ${rig.node.pidFile})`;
    // The application has so long to end, also after a command whose end was not seen.
    const timeout = '10s';
    const gone = { pidFile: rig.node.pidFile };
    const stop = { command: ['sh', '-c', script], timeout, gone, idempotent: true };
    const app = { probe: { http: { url: `${rig.node.url}/health` }, every: '100ms', fall: 1 }, stop };
    const start = () => rig.sidecar({ sections: { app } });
    const first = await start();
    await first.reaches('serving');
    const { json } = await told(first.cli('stop', '--no-wait'));
    await until('the stop has begun', async () => (await read(marks)) !== '');
    await until('it is written down', async () => (await read(join(rig.dir, 'app1.json.stop'))) !== '');
    await first.kill();
    process.kill(Number(await read(marks)), 'SIGKILL');
    const second = await start();
    await until('it is run again', async () => (await read(marks)).trim().split('\n').length === 2);
    await writeFile(door, '\n');
    expect(await second.ends(json.id)).toMatchObject({ ok: true, code: 'done', phase: 'stopped' });
    expect(await rig.terms()).toBe(1);
  });
});

describe('An application that has crashed and left session files', () => {
  test('is out of the way of a stop at once: its probe is down, so the files are what is left of its users', async () => {
    rig = await openRig({ termMs: 50 });
    const stop = { signal: { name: 'SIGTERM', pidFile: rig.node.pidFile } };
    const probe = { http: { url: `${rig.node.url}/health` }, every: '100ms', fall: 2 };
    const sessions = [{ files: { path: join(rig.dir, 'sess_*'), youngerThan: '1h' } }];
    await writeFile(join(rig.dir, 'sess_1'), '');
    const agent = await rig.sidecar({ sections: { app: { stop, probe }, sessions } });
    await agent.reaches('serving');
    await rig.node.kill();
    await agent.reaches('unhealthy');
    expect(await told(agent.cli('stop'))).toMatchObject({
      code: 0,
      json: { code: 'done', phase: 'stopped', forced: 0 },
    });
    expect(await rig.terms()).toBe(0);
  });
});

describe('A pid file', () => {
  test('that names a process which has ended, while HAProxy finds the server up: direct mode refuses with 70', async () => {
    rig = await openRig({ termMs: 50, server: 'check inter 100ms rise 1 fall 2' });
    await until('HAProxy has checked it', async () => (await rig.admin()).startsWith('UP'));
    const pid = await pidOf();
    const stale = join(rig.dir, 'stale.pid');
    // The pid of one that has ended by now.
    await writeFile(stale, String(execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' })));
    const before = await rig.states();
    const refused = await told(rig.direct('stop', '--stop-pid', stale, '--not-sticky'));
    expect(refused).toMatchObject({ code: 70, json: { ok: false, code: 'app-stop' } });
    expect(refused.stderr).toContain("app/app1 is up by HAProxy's check (L4OK)");
    expect(refused.stderr).toContain(`127.0.0.1:${rig.node.port} takes connections`);
    expect(await rig.states()).toBe(before);
    expect(processStatus(pid, startTimeOf(pid) ?? '')).toBe('alive');
    expect(await rig.terms()).toBe(0);
  });

  test.each([
    ['forwards', '3600000'],
    ['back', '-3600000'],
  ])(
    'that a sidecar sees first when the calendar was set an hour %s: the application is stopped',
    async (_way, ms) => {
      rig = await openRig({ termMs: 50 });
      const step = join(rig.dir, 'step');
      await writeFile(step, ms);
      const clock = join(packageRoot(), 'dist', 'test', 'fixtures', 'steps-clock.js');
      const agent = await rig.sidecar({ env: { NODE_OPTIONS: `--import ${clock}`, STEPS_CLOCK: step } });
      await agent.reaches('serving');
      const pid = await pidOf();
      const startTime = startTimeOf(pid) ?? '';
      expect(await told(agent.cli('stop'))).toMatchObject({ code: 0, json: { phase: 'stopped' } });
      expect(processStatus(pid, startTime)).toBe('gone');
      expect(await rig.terms()).toBe(1);
    },
  );

  test('whose process has ended while something else has started the next: a stop is refused with 70', async () => {
    rig = await openRig({ termMs: 50 });
    const agent = await rig.sidecar({
      sections: { app: { stop: { signal: { name: 'SIGTERM', pidFile: rig.node.pidFile } } }, sessions: [] },
    });
    await agent.reaches('serving');
    const old = await readFile(rig.node.pidFile, 'utf8');
    await rig.node.kill();
    await rig.node.start();
    await rig.node.untilServing(patience());
    const pid = await pidOf();
    const startTime = startTimeOf(pid) ?? '';
    // The file names the one before.
    await writeFile(rig.node.pidFile, old);
    const before = await rig.states();
    const refused = await told(agent.cli('stop', '--force', '--reason', 'test'));
    expect(refused).toMatchObject({ code: 70, json: { ok: false, code: 'app-stop' } });
    expect(refused.stderr).toContain(`127.0.0.1:${rig.node.port} takes connections`);
    expect(await rig.states()).toBe(before);
    expect(processStatus(pid, startTime)).toBe('alive');
    process.kill(pid, 'SIGKILL');
  });

  test.each([
    ['forwards', 3_600_000],
    ['back', -3_600_000],
  ])('of a sidecar whose calendar is set an hour %s: the application is stopped', async (_way, ms) => {
    rig = await openRig({ termMs: 50 });
    const step = join(rig.dir, 'step');
    await writeFile(step, '0');
    const clock = join(packageRoot(), 'dist', 'test', 'fixtures', 'steps-clock.js');
    const agent = await rig.sidecar({ env: { NODE_OPTIONS: `--import ${clock}`, STEPS_CLOCK: step } });
    await agent.reaches('serving');
    await writeFile(step, String(ms));
    const pid = await pidOf();
    const startTime = startTimeOf(pid) ?? '';
    expect(await told(agent.cli('stop'))).toMatchObject({
      code: 0,
      json: { code: 'done', phase: 'stopped' },
    });
    expect(processStatus(pid, startTime)).toBe('gone');
    expect(await rig.terms()).toBe(1);
  });
});
