import { describe, expect, test } from '@jest/globals';
import { poolOf } from '../../agent/pool-policy.ts';
import { merge } from '../../agent/reload.ts';
import { configOf, load, MINIMAL, refuses } from './support.ts';

/** `pool` and `lock`: the nodes of which so many may be out. */

test('a pool has one slot, and the first node that does not come back brakes it, unless the file says otherwise', async () => {
  const written = `${MINIMAL}pool: { name: app }\nlock: { file: /run/lock/lastcall/app }\n`;
  expect(await configOf(written)).toMatchObject({
    pool: { name: 'app', slots: 1, brake: 1 },
    lock: { kind: 'file', path: '/run/lock/lastcall/app' },
  });
  expect(await configOf(`${MINIMAL}pool: { name: app, slots: 3, brake: 2 }\n`)).toMatchObject({
    pool: { slots: 3, brake: 2 },
    lock: null,
  });
});

test('a pool without a lock brings a warning that it is none', async () => {
  const loaded = await load(`${MINIMAL}pool: { name: app, slots: 2 }\n`);
  expect(loaded.ok && loaded.warnings.join()).toMatch(/`pool.slots` and `pool.brake` are not kept/);
});

test('a lock of one machine and a reboot of it: its other nodes go down with it', async () => {
  const warnings = async (lock: string, what: string): Promise<string> => {
    const entry = `schedule: [{ cron: '0 4 * * *', do: ${what} }]\n`;
    const app =
      'app: { probe: { tcp: 8080 }, start: { command: [/bin/true] }, stop: { command: [/bin/true], gone: { port: 8080 } } }\n';
    const loaded = await load(`${MINIMAL}${app}sticky: false\npool: { name: app }\nlock: ${lock}\n${entry}`);
    return loaded.ok ? loaded.warnings.join() : JSON.stringify(loaded.problems);
  };
  const file = '{ file: /run/lock/lastcall/app }';
  expect(await warnings(file, 'reboot')).toContain('every node of this machine');
  expect(await warnings(file, 'restart')).toBe('');
  expect(await warnings('{ etcd: { endpoints: ["http://10.0.0.9:2379"] } }', 'reboot')).toBe('');
});

describe('what no lock could keep is refused', () => {
  refuses([
    ['lock: { file: /run/lock/lastcall/app }', '4:7: lock: needs pool: { name }, whose slots it keeps'],
    ['pool: { slots: 2 }', '4:7: pool.name: is required'],
    ['pool: { name: app, slots: 0 }', '4:27: pool.slots: must be 1 or more'],
    ['pool: { name: app, brake: 1.5 }', '4:27: pool.brake: expected a whole number, got a number'],
    ['pool: { name: app, slot: 2 }', '4:20: pool.slot: unknown key, known here: name, slots, brake'],
    [
      'pool: { name: "a/b" }',
      '4:15: pool.name: a node name has 1 to 64 letters, digits, underscores, dots and dashes, and begins with neither of the last two',
    ],
    ['pool: { name: app }\nlock: { file: app }', '5:15: lock.file: must be an absolute path'],
    ['pool: { name: app }\nlock: {}', '5:7: lock: needs file or etcd'],
  ]);
});

test('SIGHUP changes the numbers of a pool that has a lock, and neither its name nor its lock', async () => {
  const before = await configOf(`${MINIMAL}pool: { name: app }\nlock: { file: /run/lock/a }\n`);
  const other = await configOf(`${MINIMAL}pool: { name: web, slots: 3 }\nlock: { file: /run/lock/b }\n`);
  const { config, kept } = merge(before, other);
  expect(config).toMatchObject({ pool: { name: 'app', slots: 3 }, lock: before.lock });
  expect(kept).toEqual(['pool.name', 'lock']);
  const none = await configOf(MINIMAL);
  expect(merge(before, none)).toMatchObject({ config: before, kept: ['pool.name', 'lock'] });
  expect(merge(none, other)).toMatchObject({ config: other, kept: [] });
});

test('a claim has an entry for what only polls that no other node can read: a dead holder may still be out there', async () => {
  const polls =
    "listen: { agentCheck: { address: '127.0.0.1:9101' }, health: { address: '127.0.0.1:9102' } }\n";
  const pool = 'pool: { name: app }\nlock: { file: /run/lock/a }\n';
  const written = `node: app1\nsessions: [{ http: { url: 'http://127.0.0.1:8080/sessions' } }]\nbalancers:\n  - { haproxy: 'tcp://10.0.0.5:9999', servers: [app/app1] }\n  - { agentCheck: { from: [10.0.0.6] } }\n  - { health: { from: [10.0.0.7], fall: 3, rise: 2 } }\n`;
  const { servers, balancers } = poolOf(await configOf(`${written}${polls}${pool}`)) ?? {};
  expect(servers).toEqual({
    'tcp://10.0.0.5:9999': ['app/app1'],
    'one that only polls agent-check': [],
    'one that only polls health': [],
  });
  expect(balancers).toEqual({ 'tcp://10.0.0.5:9999': 'tcp://10.0.0.5:9999' });
});
