import { afterEach, describe, expect, test } from '@jest/globals';
import { startHaproxy, type Haproxy } from '../haproxy.ts';
import { patience } from '../rig.ts';
import { until } from '../until.ts';
import { type AdminSampler, startAdminSampler } from './admin-sampler.ts';
import { type Fleet, openFleet } from './fleet.ts';

let fleet: Fleet | undefined;
let haproxy: Haproxy | undefined;
let sampler: AdminSampler | undefined;
afterEach(async () => {
  await sampler?.stop();
  await haproxy?.stop();
  await fleet?.close();
  fleet = haproxy = sampler = undefined;
});

describe('The sampler of admin states', () => {
  test('counts who was in MAINT and in DRAIN at once, and how long more than so many were out', async () => {
    const servers = ['a', 'b', 'c'].map((name) => `  server ${name} 127.0.0.1:1\n`).join('');
    haproxy = await startHaproxy(
      `defaults\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\nbackend app\n${servers}`,
    );
    const watched = await startAdminSampler([haproxy.socket], 'app');
    sampler = watched;
    expect([watched.mostFenced(), watched.mostOut(), watched.longestOver(0)]).toEqual([0, 0, 0]);
    await haproxy.command('set server app/a state maint');
    await haproxy.command('set server app/b state drain');
    await haproxy.command('set server app/c state drain');
    await until('more than two are out for 100 ms', () => watched.longestOver(2) > 100);
    for (const name of ['a', 'b', 'c']) await haproxy.command(`set server app/${name} state ready`);
    await until('all are back', () =>
      [...(watched.samples.at(-1)?.servers.values() ?? [])].every((one) => one === 'ready'),
    );
    expect([watched.mostFenced(), watched.mostOut()]).toEqual([1, 3]);
    expect(watched.over(3)).toEqual([]);
    expect(watched.longestOver(3)).toBe(0);
    expect(watched.longestGap()).toBeGreaterThan(0);
  });

  test('reports a balancer that cannot be read', async () => {
    haproxy = await startHaproxy('backend app\n  server a 127.0.0.1:1\n');
    const watched = await startAdminSampler([haproxy.socket], 'app');
    await haproxy.kill('SIGKILL');
    await expect(watched.stop()).rejects.toThrow();
  });
});

describe('A fleet', () => {
  test('restarts one node after the other behind two HAProxys, under users: nothing failed, no session lost', async () => {
    fleet = await openFleet({ nodes: 3, balancers: 2 });
    await fleet.letUsersIn();
    const watched = await fleet.sample();
    for (const { name } of fleet.nodes.slice(0, 2)) {
      const { code, stdout } = await fleet.agent(name).cli('restart', '--reason', 'fleet').outcome;
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('"code":"done"') });
    }
    const { requests, ...rest } = await fleet.usersGo();
    expect(rest).toEqual({ failed: 0, lost: 0, failures: [] });
    expect(requests).toBeGreaterThan(50);
    expect([watched.mostFenced(), watched.mostOut()]).toEqual([1, 1]);
    expect(new Set(watched.samples.map(({ socket }) => socket)).size).toBe(2);
  });

  test('has a node whose start fails, until it is mended; a sidecar that was killed is started anew', async () => {
    fleet = await openFleet({ nodes: 2 });
    await fleet.breakStart('app2', true);
    expect(await outcome(fleet, 'restart')).toMatchObject({ exit: 70, code: 'app-health' });
    await fleet.agent('app2').kill();
    await (await fleet.startAgent('app2')).client.status(patience());
    await fleet.breakStart('app2', false);
    expect(await outcome(fleet, 'ready')).toMatchObject({ exit: 0, code: 'done' });
    expect((await fleet.all('status')).map(({ node }) => node)).toEqual(['app1', 'app2']);
  });
});

async function outcome(of: Fleet, verb: string): Promise<{ exit: number | null; code: string }> {
  const { code, stdout } = await of.agent('app2').cli(verb, '--reason', 'fleet').outcome;
  return { exit: code, code: (JSON.parse(stdout) as { code: string }).code };
}
