import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { chmod, utimes, writeFile } from 'node:fs/promises';
import { LASTCALL, start } from '../support/cli.ts';
import { openRig, patience, type Rig, type RigOptions, told } from '../support/rig.ts';
import { skipped } from '../support/skip.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

const open = async (options: RigOptions = {}): Promise<void> => {
  rig = await openRig({ termMs: 50, ...options });
};
const sessions = (): string[] => ['--sessions', `${rig.node.url}/sessions`];
const LAST = { others: '  server app2 127.0.0.1:1 disabled\n' };

/** Runs it and sees that HAProxy was left exactly as it was, and the application alone. */
async function refused(verb: string, ...words: readonly string[]) {
  const before = await rig.states();
  const outcome = await told(rig.direct(verb, ...words));
  expect(await rig.states()).toBe(before);
  expect(await rig.node.sessions()).not.toBeNull();
  expect(await rig.terms()).toBe(0);
  return { code: outcome.code, said: outcome.json.code, stderr: outcome.stderr };
}

describe('The last usable server', () => {
  test('is not taken: 75 guard, nothing changed; --force --reason takes it and says so', async () => {
    await open(LAST);
    expect(await refused('drain', ...sessions())).toMatchObject({
      code: 75,
      said: 'guard',
      stderr: expect.stringContaining('--force --reason'),
    });
    expect(await refused('drain', ...sessions(), '--force')).toMatchObject({ code: 64, said: 'usage' });
    const forced = await told(rig.direct('drain', ...sessions(), '--force', '--reason', 'last one out'));
    expect(forced).toMatchObject({ code: 0, json: { phase: 'drained', reason: 'last one out' } });
    expect(forced.json.warnings.join()).toContain('forced');
    expect(await rig.admin()).toBe('MAINT');
  });

  test('is taken with a warning where the application is ended next, whatever is answered: --no-refuse', async () => {
    await open(LAST);
    const drained = await told(rig.direct('drain', ...sessions(), '--no-refuse'));
    expect(drained).toMatchObject({ code: 0, json: { phase: 'drained' } });
    expect(drained.json.warnings.join()).toContain('cannot be refused');
  });

  test('is not taken by a sidecar either, and a backup does not count for an active server', async () => {
    await open({ others: '  server app2 127.0.0.1:1 backup\n' });
    const agent = await rig.sidecar();
    expect(await told(agent.cli('restart'))).toMatchObject({
      code: 75,
      json: { code: 'guard', phase: 'serving' },
    });
    expect(await rig.admin()).toBe('no check');
  });
});

describe('A server that an operator holds', () => {
  test('in DRAIN: drain and stop are refused with 75 held, and nothing is changed', async () => {
    await open();
    await rig.haproxy.command('set server app/app1 state drain');
    expect(await refused('drain', ...sessions())).toMatchObject({ code: 75, said: 'held' });
    const stop = ['--stop-pid', rig.node.pidFile];
    expect(await refused('stop', ...sessions(), ...stop)).toMatchObject({ code: 75, said: 'held' });
    expect(await rig.admin()).toBe('DRAIN');
    const taken = await told(rig.direct('drain', ...sessions(), '--force', '--reason', 'mine now'));
    expect(taken).toMatchObject({ code: 0, json: { phase: 'drained' } });
    expect(await rig.admin()).toBe('MAINT');
  });

  test('in MAINT: drain and stop go on around it, count it, and ready leaves it to its owner', async () => {
    await open();
    await rig.haproxy.command('set server app/app1 state maint');
    const agent = await rig.sidecar();
    const stopped = await told(agent.cli('stop'));
    expect(stopped).toMatchObject({ code: 0, json: { phase: 'stopped' } });
    expect(stopped.json.warnings.join()).toContain('MAINT');
    expect(await rig.terms()).toBe(1);
    const status = await agent.client.status(AbortSignal.timeout(5_000));
    expect(status.balancers[0]?.servers[0]).toMatchObject({ admin: 'maint', owner: 'operator' });
    const back = await told(agent.cli('ready'));
    expect(back.json.code).toBe('held');
    expect(back.code).toBe(75);
    expect(await rig.admin()).toBe('MAINT');
  });

  test('ready with every server held is refused with 75; --force --reason takes over', async () => {
    await open();
    const agent = await rig.sidecar();
    await rig.haproxy.command('set server app/app1 state maint');
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 75, json: { code: 'held' } });
    expect(await rig.admin()).toBe('MAINT');
    expect(await told(agent.cli('ready', '--force', '--reason', 'mine'))).toMatchObject({ code: 0 });
    expect(await rig.admin()).toBe('no check');
  });

  test('in direct mode ready is the operator’s own order and releases it', async () => {
    await open();
    await rig.haproxy.command('set server app/app1 state maint');
    const health = ['--health', `${rig.node.url}/health`];
    expect(await told(rig.direct('ready', ...health))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    expect(await rig.admin()).toBe('no check');
  });

  test('set to MAINT by an operator in the middle: never overridden, still counted, and left by the return', async () => {
    await open();
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    const running = agent.plain('drain');
    await running.said('drain accepted');
    // Only what was there at our last look is left alone, so ours has to be there first.
    await until('app1 is in DRAIN', async () => (await rig.admin()) === 'DRAIN');
    await rig.haproxy.command('set server app/app1 state maint');
    const held = await until('status tells whose it is', async () => {
      const status = await agent.client.status(patience());
      return status.balancers[0]?.servers[0]?.owner === 'operator' && status;
    });
    expect(held.phase).toBe('draining');
    await visitor.leave();
    expect((await running.outcome).code).toBe(0);
    expect(await rig.admin()).toBe('MAINT');
    const back = await told(agent.cli('ready'));
    expect(back.code).toBe(75);
    expect(back.json.code).toBe('held');
    expect(await rig.admin()).toBe('MAINT');
  });
});

describe('Sticky users whom no source counts', () => {
  test('stop is refused with 75 uncounted, nothing changed, and the three ways out are named', async () => {
    await open();
    const stop = ['--stop-pid', rig.node.pidFile];
    const { code, said, stderr } = await refused('stop', ...stop);
    expect({ code, said }).toEqual({ code: 75, said: 'uncounted' });
    for (const way of ['--sessions', '--not-sticky', '--quiet-for']) expect(stderr).toContain(way);
  });

  test.each([
    ['a source', () => sessions()],
    ['--not-sticky', () => ['--not-sticky']],
    ['--quiet-for', () => ['--quiet-for', '100ms']],
  ])('%s is a way out', async (_name, words) => {
    await open();
    const stopped = await told(rig.direct('stop', '--stop-pid', rig.node.pidFile, ...words()));
    expect(stopped).toMatchObject({ code: 0, json: { phase: 'stopped' } });
    expect(await rig.terms()).toBe(1);
  });

  test('roundrobin without cookies needs none of them', async () => {
    await open({ cookie: false });
    const stopped = await told(rig.direct('stop', '--stop-pid', rig.node.pidFile));
    expect(stopped).toMatchObject({ code: 0, json: { phase: 'stopped' } });
    expect(await rig.terms()).toBe(1);
  });
});

describe('That the stop can run is proven before anything is changed', () => {
  test.each([
    ['a pid file that is missing', () => ['--stop-pid', `${rig.dir}/missing.pid`]],
    ['a stop command that does not exist', () => ['--stop-command', `${rig.dir}/missing --now`]],
    ['a stop command that may not be executed', () => ['--stop-command', `${rig.dir}/haproxy.cfg`]],
  ])('%s: 70, and HAProxy is as it was', async (_name, words) => {
    await open();
    expect(await refused('stop', ...sessions(), ...words())).toMatchObject({ code: 70, said: 'app-stop' });
  });

  test('an application of another user: 70, and HAProxy is as it was', async () => {
    if (process.getuid?.() !== 0) return skipped('only root can become somebody else');
    await open();
    const before = await rig.states();
    await chmod(rig.dir, 0o711);
    await chmod(rig.haproxy.socket, 0o666);
    const words = ['--haproxy', rig.haproxy.socket, '--server', 'app/app1', '--stop-pid', rig.node.pidFile];
    const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, LASTCALL];
    const { code, json } = await told(
      start('setpriv', [...nobody, 'stop', ...words, '--json', ...sessions()]),
    );
    expect({ code, said: json.code }).toEqual({ code: 70, said: 'app-stop' });
    expect(json.message).toContain('not allowed to signal');
    expect(await rig.states()).toBe(before);
  });

  test('a pid file older than the process it names (the number was given away again): 70', async () => {
    await open();
    const stranger = spawn('sleep', ['30'], { stdio: 'ignore' });
    const path = `${rig.dir}/old.pid`;
    await writeFile(path, `${stranger.pid}\n`);
    await utimes(path, 1_000, 1_000);
    try {
      expect(await refused('stop', ...sessions(), '--stop-pid', path)).toMatchObject({
        code: 70,
        said: 'app-stop',
      });
      expect(stranger.exitCode).toBeNull();
    } finally {
      stranger.kill();
    }
  });
});
