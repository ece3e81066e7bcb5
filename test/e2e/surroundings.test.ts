import { afterEach, describe, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processStatus, startTimeOf } from '../../agent/system/process.ts';
import { openWebsocket } from '../support/app-with-open-connections.ts';
import { openRig, patience, type Rig, type RigOptions, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

/**
 * The other servers of this application, those that serve its users, and what binds them: asked before an
 * operation.
 */

let rig: Rig;
afterEach(() => rig.close());

const open = async (options: RigOptions = {}): Promise<void> => {
  rig = await openRig({ termMs: 50, cookie: false, ...options });
};
const sessions = (): string[] => ['--sessions', `${rig.node.url}/sessions`];
const stops = (): string[] => ['--stop-pid', rig.node.pidFile];
const allStates = (): Promise<string> => rig.haproxy.command('show servers state');

/** Runs it, and sees that HAProxy and the application were left exactly as they were. */
async function refused(verb: string, ...words: readonly string[]) {
  const before = await rig.states();
  const { code, json } = await told(rig.direct(verb, ...words));
  expect(await rig.states()).toBe(before);
  expect(await rig.terms()).toBe(0);
  return { code, said: json.code, message: json.message ?? '' };
}

const OTHER = '  server app2 127.0.0.1:1\n';

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

  test('that a reload brings is told in the result', async () => {
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

describe('Users whom a hash alone binds', () => {
  const HASH = { others: `${OTHER}  balance source\n` };

  test.each([
    ['drain', () => []],
    ['stop', () => stops()],
  ] as const)('make %s refuse before the first DRAIN, whoever counts them', async (verb, words) => {
    await open(HASH);
    const { code, said, message } = await refused(verb, ...sessions(), ...words());
    expect({ code, said }).toEqual({ code: 75, said: 'unkeepable' });
    expect(message).toContain('app/app1 (balance source)');
    // No advice that leads into it: a source would count them for ever.
    const bare = await refused(verb, ...words());
    expect(bare).toMatchObject({ code: 75, said: 'unkeepable' });
    expect(bare.message).not.toContain('--sessions');
  });

  test('are no objection with --not-sticky, nor where the server is out already', async () => {
    await open(HASH);
    expect((await told(rig.direct('drain', '--not-sticky'))).json.warnings.join()).not.toContain('hash');
    expect(await rig.admin()).toBe('MAINT');
    const stopped = await told(rig.direct('stop', ...sessions(), ...stops()));
    expect(stopped).toMatchObject({ code: 0, json: { phase: 'stopped' } });
  });

  test('are taken out by --force, and the result says how many were at risk', async () => {
    await open(HASH);
    // At the application itself: without a cookie HAProxy sends the user anywhere.
    await (await fetch(rig.node.url)).text();
    const drain = rig.direct('drain', ...sessions(), '--timeout', '2s', '--force', '--reason', 'disk');
    const { code, json } = await told(drain);
    expect({ code, said: json.code }).toEqual({ code: 124, said: 'deadline' });
    expect(json.warnings.join('\n')).toMatch(/balance source.*forced/);
    expect(json.warnings.join('\n')).toMatch(/made the hash anew: 1 users of this node were at risk/);
  });
});

describe('The capacity guard', () => {
  test("takes none of the node's own servers for another", async () => {
    await open({ others: '  server app1b 127.0.0.1:1\n' });
    const both = ['--server', 'app/app1b', ...sessions()];
    expect(await refused('drain', ...both)).toMatchObject({ code: 75, said: 'guard' });
    const forced = await told(rig.direct('drain', ...both, '--force', '--reason', 'we know'));
    expect(forced).toMatchObject({ code: 0, json: { phase: 'drained' } });
  });

  test('names the neighbour that is missing and the backup that is up, and status shows the first', async () => {
    await open({ others: '  server app2 127.0.0.1:1 disabled\n  server spare 127.0.0.1:2 backup\n' });
    const { code, said, message } = await refused('drain', ...sessions());
    expect({ code, said }).toEqual({ code: 75, said: 'guard' });
    expect(message).toContain('without app/app2 (MAINT)');
    expect(message).toContain('the backup app/spare is up');
    const agent = await rig.sidecar();
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 75, json: { code: 'guard' } });
    const { balancers } = await agent.client.status(patience());
    expect(balancers[0]?.servers[0]?.neighbours).toMatchObject({ usable: 0, missing: ['app/app2 (MAINT)'] });
    expect((await agent.plain('status').outcome).stdout).toContain('app/app2 (MAINT); 0 other usable');
  });

  test('counts a backup where keepBackups says so', async () => {
    await open({ others: '  server spare 127.0.0.1:2 backup\n' });
    const agent = await rig.sidecar({ sections: { drain: { quiet: '0s', keepBackups: true } } });
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
  });

  test('lets a standby go while an active server is usable', async () => {
    await open({ server: 'backup', others: OTHER });
    expect(await told(rig.direct('drain', ...sessions()))).toMatchObject({ code: 0 });
  });
});

describe('A stick table that binds users', () => {
  const TABLE = {
    others: `${OTHER}  stick on req.cook(U) table users\nbackend users\n  stick-table type string size 1k\n`,
  };

  test('of another name is only told of while it holds nobody of ours; with an entry of ours it refuses', async () => {
    await open(TABLE);
    const dry = await told(rig.direct('stop', ...stops(), '--dry-run'));
    expect(dry.code).toBe(0);
    expect(dry.json.warnings.join()).toContain('the stick table users');
    for (let turn = 0; turn < 2; turn += 1)
      await (await fetch(rig.url, { headers: { cookie: 'U=alice' } })).text();
    await rig.haproxy.command('set server app/app2 state maint');
    await (await fetch(rig.url, { headers: { cookie: 'U=bob' } })).text();
    await rig.haproxy.command('set server app/app2 state ready');
    const { code, said, message } = await refused('stop', ...stops());
    expect({ code, said }).toEqual({ code: 75, said: 'uncounted' });
    expect(message).toContain('stick table users');
  });

  test('by the time of the fence ends a stop that no source counts for: put back, 75', async () => {
    const pinned = '  use-server app1 if { req.hdr(x-pin) 1 }\n';
    await open({ others: `${OTHER}${pinned}${TABLE.others.slice(OTHER.length)}` });
    const download = await fetch(`${rig.url}/download`, { headers: { 'x-pin': '1' } });
    const stop = rig.direct('stop', ...stops());
    await until('app1 is in DRAIN', async () => (await rig.admin()) === 'DRAIN' || undefined);
    // `use-server` leads to a server in DRAIN too, and leaves an entry that was not there when the stop was admitted.
    await (await fetch(rig.url, { headers: { 'x-pin': '1', cookie: 'U=carol' } })).text();
    await fetch(`${rig.node.url}/finish`, { method: 'POST' });
    await download.text();
    const { code, json } = await told(stop);
    expect({ code, said: json.code }).toEqual({ code: 75, said: 'uncounted' });
    expect(json.message).toContain('what was found is restored');
    expect(await rig.admin()).toBe('no check');
    expect(await rig.terms()).toBe(0);
  });
});

describe('A weight of 0', () => {
  test('is called that by drain and by ready, and neither changes anything', async () => {
    await open();
    await rig.haproxy.command('set weight app/app1 0');
    const { code, said, message } = await refused('drain', ...sessions());
    expect({ code, said }).toEqual({ code: 75, said: 'held' });
    expect(message).toContain("has weight 0, which is an operator's drain");
    await rig.haproxy.command('set server app/app1 state maint');
    for (const words of [[], ['--force', '--reason', 'mine']]) {
      const back = await refused('ready', ...words);
      expect(back).toMatchObject({ code: 75, said: 'held' });
      expect(back.message).toContain('weight 0');
    }
    await rig.haproxy.command('set weight app/app1 100');
    expect(await told(rig.direct('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
  });
});
