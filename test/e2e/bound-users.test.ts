import { describe, expect, test } from '@jest/globals';
import { patience, told } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { OTHER, open, refused, rig, sessions, stops } from '../support/surroundings-rig.ts';

/**
 * The other servers of this application, those that serve its users, and what binds them: asked before an
 * operation.
 */

describe('Users whom a hash alone binds', () => {
  const HASH = { others: `${OTHER}  balance source\n` };

  test.each([
    ['drain', () => []],
    ['stop', () => stops()],
  ] as const)(
    'make %s refuse before the first DRAIN, also where a source counts them',
    async (verb, words) => {
      await open(HASH);
      const { code, said, message } = await refused(verb, ...sessions(), ...words());
      expect({ code, said }).toEqual({ code: 75, said: 'unkeepable' });
      expect(message).toContain('app/app1 (balance source)');
      // No advice that leads into it: a source would count them for ever.
      const bare = await refused(verb, ...words());
      expect(bare).toMatchObject({ code: 75, said: 'unkeepable' });
      expect(bare.message).not.toContain('--sessions');
    },
  );

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
    expect(json.warnings.join('\n')).toMatch(
      /made the hash anew: the sessions of 1 user of this node were at risk/,
    );
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

  test('of another name is a warning while it holds no entry of ours; with one a stop is refused', async () => {
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
