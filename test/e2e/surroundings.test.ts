import { describe, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processStatus, startTimeOf } from '../../agent/system/process.ts';
import { openWebsocket } from '../support/app-with-open-connections.ts';
import { patience, type RigOptions, told } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { OTHER, open, refused, rig, sessions, stops } from '../support/surroundings-rig.ts';

/**
 * The other servers of this application, those that serve its users, and what binds them: asked before an
 * operation.
 */

const allStates = (): Promise<string> => rig.haproxy.command('show servers state');

describe('A server that tracks ours', () => {
  /** HAProxy's first checks come before the application is there. */
  const openChecked = async (options: RigOptions): Promise<void> => {
    await open({ server: 'check inter 100ms', ...options });
    await until('app1 is UP', async () => (await rig.admin()) === 'UP' || undefined);
  };
  const TRACKER = {
    others: `${OTHER}backend sockets\n  server ws1 127.0.0.1:2 track app/app1\n  server ws2 127.0.0.1:3 track sockets/ws1\n  server ws9 127.0.0.1:4\n`,
  };

  test('is named by a refusal of drain and stop, and so is one that tracks it; nothing is changed', async () => {
    await openChecked(TRACKER);
    for (const words of [
      ['drain', ...sessions()],
      ['stop', ...sessions(), ...stops()],
    ] as const) {
      const [verb, ...rest] = words;
      const { code, said, message } = await refused(verb as string, ...rest);
      expect({ code, said }).toEqual({ code: 75, said: 'unlisted' });
      for (const word of ['sockets/ws1 tracks app/app1', 'sockets/ws2', 'ignoreServers', '--ignore-server'])
        expect(message).toContain(word);
    }
    const states = await allStates();
    const agent = await rig.sidecar();
    expect(await told(agent.cli('hold', '--reason', 'test'))).toMatchObject({
      code: 75,
      json: { code: 'unlisted' },
    });
    expect((await allStates()).split('\n').map((line) => line.split(' ').slice(0, 8))).toEqual(
      states.split('\n').map((line) => line.split(' ').slice(0, 8)),
    );
  });

  test.each([
    ['listing it', () => ['--server', 'sockets/ws1', '--server', 'sockets/ws2']],
    ['leaving it out', () => ['--ignore-server', 'sockets/ws1', '--ignore-server', 'sockets/ws2']],
    ['--force', () => ['--force', '--reason', 'we know']],
  ])('may be answered by %s', async (way, words) => {
    await openChecked(TRACKER);
    const { code, json } = await told(rig.direct('drain', ...sessions(), ...words()));
    expect({ code, phase: json.phase }).toEqual({ code: 0, phase: 'drained' });
    expect(await rig.admin()).toBe('MAINT');
    expect(json.warnings.join().includes('sockets/ws1')).toBe(way === '--force');
  });

  test('that a reload brings is in the result', async () => {
    await openChecked({ master: true, others: OTHER, cookie: true });
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    const drain = agent.cli('drain');
    await agent.reaches('draining');
    const config = await readFile(join(rig.dir, 'haproxy.cfg'), 'utf8');
    const frontend = config.slice(config.indexOf('defaults'));
    await rig.haproxy.rewrite(`${frontend}backend sockets\n  server ws1 127.0.0.1:2 track app/app1\n`);
    await rig.haproxy.reload();
    await until('DRAIN is back', async () => (await rig.admin()) === 'DRAIN' || undefined);
    await visitor.leave();
    const { code, json } = await told(drain);
    expect(code).toBe(0);
    expect(json.warnings.join('\n')).toMatch(/after a reload: .*sockets\/ws1 tracks app\/app1/);
  });
});

describe('A reload that gives our server another name', () => {
  /** The application has the name `node1` then. */
  const rename = async (): Promise<void> => {
    const config = await readFile(join(rig.dir, 'haproxy.cfg'), 'utf8');
    const rest = config.slice(config.indexOf('defaults'));
    await rig.haproxy.rewrite(rest.replace('server app1 ', 'server node1 '));
    await rig.haproxy.reload();
  };

  test('ends a stop that waits: no operator keeps users away from it now', async () => {
    await open({ master: true, others: OTHER });
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    const stop = agent.cli('stop');
    await until('it is drained', async () => (await rig.admin()) === 'DRAIN' || undefined);
    await rename();
    const { code, json } = await told(stop);
    expect({ code, said: json.code, phase: json.phase }).toEqual({
      code: 75,
      said: 'unlisted',
      phase: 'serving',
    });
    expect(json.message).toContain('app/node1 has the address of app/app1, which HAProxy has no more');
    expect(await rig.terms()).toBe(0);
    await visitor.leave();
  });

  test('while it is out stands against a stop of it', async () => {
    await open({ master: true, others: OTHER });
    const agent = await rig.sidecar();
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0 });
    await rename();
    await until('status tells it', async () => {
      const { alarms } = await agent.client.status(patience());
      return alarms.join().includes('was removed from HAProxy by a reload') || undefined;
    });
    const stop = await told(agent.cli('stop'));
    expect(stop).toMatchObject({ code: 75, json: { code: 'unlisted' } });
    expect(await rig.terms()).toBe(0);
  });

  test('while no sidecar is there stands against a stop, and the websocket by its new name stays', async () => {
    // Alone in its backend, so that the websocket is at no other server; nothing but HAProxy counts it.
    await open({ master: true, others: '' });
    const sections = { sessions: [], drain: { timeout: '30s', quiet: '0s', keep: 0 } };
    const first = await rig.sidecar({ sections });
    expect(await told(first.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
    const pid = Number(await readFile(rig.node.pidFile, 'utf8'));
    await first.kill();
    await rename();
    const guest = await openWebsocket(Number(new URL(rig.url).port), '');
    const second = await rig.sidecar({ sections });
    const stop = await told(second.cli('stop'));
    expect(stop).toMatchObject({ code: 75, json: { code: 'unlisted', phase: 'drained' } });
    expect(stop.json.message).toContain('app/node1 has the address of app/app1');
    expect(await rig.terms()).toBe(0);
    expect(processStatus(pid, startTimeOf(pid) ?? '')).toBe('alive');
    await until('the alarm names where users go', async () => {
      const { alarms } = await second.client.status(patience());
      return alarms.join().includes('users are sent to it as app/node1') || undefined;
    });
    guest.leave();
  });
});

describe('A server with the address of ours', () => {
  const SAME = { others: `${OTHER}backend api\n  server node7 127.0.0.1:2\n` };
  const move = (): Promise<string> =>
    rig.haproxy.command(`set server api/node7 addr 127.0.0.1 port ${rig.node.port}`);

  test('stands against a stop, and drain only warns of it; a stop after that drain is refused too', async () => {
    await open(SAME);
    await move();
    const { code, said, message } = await refused('stop', ...sessions(), ...stops());
    expect({ code, said }).toEqual({ code: 75, said: 'unlisted' });
    expect(message).toContain('api/node7 has the address of app/app1');
    const agent = await rig.sidecar();
    const drained = await told(agent.cli('drain'));
    expect(drained).toMatchObject({ code: 0, json: { phase: 'drained' } });
    expect(drained.json.warnings.join()).toContain('api/node7');
    expect(await told(agent.cli('stop'))).toMatchObject({ code: 75, json: { code: 'unlisted' } });
    expect(await rig.terms()).toBe(0);
    const ignoring = await told(agent.cli('stop', '--ignore-server', 'api/node7'));
    expect(ignoring).toMatchObject({ code: 0, json: { phase: 'stopped' } });
  });

  test('stands against nothing as a disabled slot of a server-template, until an operator opens it', async () => {
    await open({ others: `${OTHER}backend slots\n  server-template slot 1-3 127.0.0.1:2 disabled\n` });
    for (const slot of [1, 2, 3])
      await rig.haproxy.command(`set server slots/slot${slot} addr 127.0.0.1 port ${rig.node.port}`);
    const agent = await rig.sidecar();
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
    await rig.haproxy.command('set server slots/slot2 state ready');
    const refusal = await told(agent.cli('stop'));
    expect(refusal).toMatchObject({ code: 75, json: { code: 'unlisted', phase: 'drained' } });
    expect(refusal.json.message).toContain('slots/slot2');
    expect(refusal.json.message).not.toContain('slots/slot1');
    await rig.haproxy.command('set server slots/slot2 state maint');
    const stopped = await told(agent.cli('stop'));
    expect(stopped).toMatchObject({ code: 0, json: { phase: 'stopped' } });
    expect(stopped.json.warnings.join()).toContain('slots/slot3 has the address of app/app1: in MAINT');
  });

  test('is left out by the configuration', async () => {
    await open(SAME);
    await move();
    const agent = await rig.sidecar({ sections: { ignoreServers: ['api/node7'] } });
    expect(await told(agent.cli('stop'))).toMatchObject({ code: 0, json: { phase: 'stopped' } });
  });

  test('is not looked for by what has no address, and --dry-run says so', async () => {
    await open({ others: `${OTHER}backend api\n  server un unix@/nowhere.sock\n  server p0 127.0.0.1\n` });
    const { code, json } = await told(rig.direct('drain', ...sessions(), '--dry-run'));
    expect(code).toBe(0);
    expect(json.warnings.join()).toMatch(/api\/un, api\/p0: no address that could be compared/);
    expect((await told(rig.direct('drain', ...sessions()))).json.warnings.join()).not.toContain('api/un');
  });
});
