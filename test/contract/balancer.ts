import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Balancer } from '../../agent/balancers/balancer.ts';
import type { Admin } from '../../agent/lifecycle/model/observation.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { betweenPolls } from '../support/between-polls.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { startHoldingApp, visit, type HoldingApp } from '../support/long-request-app.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';

/** The node's server in every one of these tests; `app/app2` is its sibling. */
export const SERVER = 'app/app1';

/** HAProxy's status of a server that takes users, with and without a check. */
const READY = /^(UP|no check)/;

export interface BalancerWorld {
  /** What the driver needs to have on the `server` line of the node, such as `agent-check agent-port N`. */
  readonly serverWords?: string;
  /** The driver under test, for that HAProxy. `servers` has one name. */
  drive(haproxy: Haproxy, servers: readonly string[], clock: Clock): Promise<Balancer> | Balancer;
  /** Whatever the driver left open. */
  close?(): Promise<void>;
}

/** What every way to tell and ask a HAProxy promises (agent/balancers/balancer.ts). */
export function describeBalancer(name: string, makeWorld: () => Promise<BalancerWorld>): void {
  describe(`a balancer by ${name}`, () => {
    let world: BalancerWorld;
    let app: HoldingApp;
    let haproxy: Haproxy;
    let port: number;
    let balancer: Balancer;
    beforeEach(async () => {
      world = await makeWorld();
      app = await startHoldingApp();
      port = await freePort();
      haproxy = await startHaproxy(siteConfig(port, app.port, world.serverWords ?? ''));
      balancer = await world.drive(haproxy, [SERVER], realClock);
    });
    afterEach(async () => {
      await haproxy.stop();
      await world.close?.();
      await app.stop();
    });
    const statusAtHaproxy = async (): Promise<string> =>
      /^app,app1,(?:[^,]*,){15}([^,]*),/m.exec(await haproxy.command('show stat app 4 -1'))?.[1] ?? '';
    const operator = async (state: Admin): Promise<void> => {
      expect(await haproxy.command(`set server ${SERVER} state ${state}`)).toBe('\n');
    };

    test('looks: who answers, the state, and no user there', async () => {
      expect(balancer.servers).toEqual([SERVER]);
      const look = await balancer.look(never);
      expect(look.worker).toEqual({ pid: await haproxy.workerPid(), bornAt: expect.any(Number) });
      // An agent-check shows what it answered last.
      expect(look.servers.map(({ agent: _agent, ...view }) => view)).toEqual([
        {
          name: SERVER,
          admin: 'ready',
          origin: 'none',
          operational: 'up',
          connections: 0,
          queued: 0,
          total: 0,
          weight: 7,
          counters: { connectionErrors: 0, responseErrors: 0, redispatches: 0, clientAborts: 0, http5xx: 0 },
          address: { host: '127.0.0.1', port: expect.any(Number) },
        },
      ]);
    });

    test('counts the users at the server and those in its queue, and sees that a user came', async () => {
      const visits = [visit(port, 'SRV=c1'), visit(port, 'SRV=c1')];
      await app.holding(2);
      const queued = visit(port, 'SRV=c1');
      const seen = await lookUntil(balancer, (view) => view.queued === 1);
      expect(seen).toMatchObject({ connections: 2, queued: 1, total: 2 });
      app.release();
      await app.holding(1);
      app.release();
      expect(await Promise.all([...visits, queued])).toEqual([200, 200, 200]);
      expect(await lookUntil(balancer, (view) => view.connections === 0)).toMatchObject({
        queued: 0,
        total: 3,
      });
    });

    test('sets drain, maint and ready, and answers what HAProxy then shows', async () => {
      for (const [admin, before] of [
        ['drain', 'ready'],
        ['maint', 'drain'],
        ['ready', 'maint'],
      ] as const) {
        const view = await balancer.set(SERVER, admin, [before], never);
        expect(view).toMatchObject({ name: SERVER, admin, origin: admin === 'ready' ? 'none' : 'forced' });
        expect(await statusAtHaproxy()).toMatch(
          admin === 'ready' ? READY : new RegExp(`^${admin.toUpperCase()}`),
        );
        expect((await balancer.look(never)).servers[0]).toMatchObject({ admin, origin: view.origin });
      }
    });

    test('answers what is already there, without asking what it may replace', async () => {
      await balancer.set(SERVER, 'drain', ['ready'], never);
      expect(await balancer.set(SERVER, 'drain', [], never)).toMatchObject({ admin: 'drain' });
    });

    test.each(['maint', 'drain'] as const)("leaves an operator's %s as it is and says so", async (state) => {
      await operator(state);
      const other = state === 'maint' ? 'drain' : 'maint';
      expect(await balancer.set(SERVER, other, ['ready'], never)).toMatchObject({
        admin: state,
        origin: 'forced',
      });
      expect(await balancer.set(SERVER, 'ready', [other], never)).toMatchObject({ admin: state });
      expect(await statusAtHaproxy()).toContain(state.toUpperCase());
      expect((await balancer.look(never)).servers[0]).toMatchObject({ admin: state, origin: 'forced' });
    });

    test('sees at the next look what an operator did in between', async () => {
      await balancer.set(SERVER, 'drain', ['ready'], never);
      await betweenPolls(haproxy, 'maint', 'drain');
      expect((await balancer.look(never)).servers[0]).toMatchObject({ admin: 'maint', origin: 'forced' });
    });

    test('surveys: others that could take new users, and what binds users to this one', async () => {
      const before = await balancer.survey(never);
      expect(before.facts).toEqual([
        {
          name: SERVER,
          role: 'active',
          usable: true,
          usableOthers: 1,
          standbys: [],
          missing: [],
          sticky: 'cookie',
          hashed: null,
        },
      ]);
      expect(before).toMatchObject({
        relatives: [{ name: 'app/app2', by: 'address' }],
        foreignTables: [],
        blind: null,
      });
      expect(before.servers).toMatchObject([{ name: SERVER, admin: 'ready' }]);
      expect(before.worker).toEqual({ pid: await haproxy.workerPid(), bornAt: expect.any(Number) });
      await balancer.set(SERVER, 'drain', ['ready'], never);
      expect((await balancer.survey(never)).facts).toMatchObject([{ usable: false, usableOthers: 1 }]);
      await haproxy.command('set server app/app2 state maint');
      expect((await balancer.survey(never)).facts).toMatchObject([
        { usable: false, usableOthers: 0, missing: ['app/app2 (MAINT)'] },
      ]);
      // Asked again in an operation: only who else it is.
      expect(await balancer.survey(never, 'relatives')).toMatchObject({
        facts: [],
        relatives: [{ name: 'app/app2', by: 'address' }],
      });
    });

    test('tells how many others are usable, in a look that asks for it, and who they are', async () => {
      const others = async (): Promise<number | null | undefined> =>
        (await balancer.look(never, 'count', 'capacity')).capacity?.[0]?.usableOthers;
      expect(await balancer.look(never)).not.toHaveProperty('capacity');
      expect((await balancer.look(never, 'leave', 'capacity')).capacity).toEqual([
        { name: SERVER, role: 'active', usableOthers: 1, usableBackups: 0 },
      ]);
      await balancer.set(SERVER, 'drain', ['ready'], never);
      expect(await others()).toBe(1);
      await haproxy.command('set server app/app2 state drain');
      expect(await others()).toBe(0);
      // A survey takes the place of the last look, and shows as much.
      const { capacity } = await balancer.look(never, 'count', 'capacity');
      for (const scope of ['all', 'reload', 'relatives'] as const)
        expect(await balancer.survey(never, scope)).toMatchObject({ capacity });
      const { siblings, servers } = await balancer.survey(never, 'capacity');
      expect(servers).toMatchObject([{ name: SERVER, admin: 'drain' }]);
      // It has our address: it is this application too.
      const sibling = { forced: 'drain', usable: false, couldServe: true, by: 'address' };
      expect(siblings).toMatchObject([{ name: 'app/app2', role: 'active', admin: 'drain', ...sibling }]);
    });

    test('lists connections by kind, and closes no more of them than it was asked to', async () => {
      const users = [visit(port, 'SRV=c1'), visit(port, 'SRV=c1')];
      await app.holding(2);
      const held = await balancer.holders(SERVER, never);
      expect(held).toMatchObject({ requests: 2, tunnels: 0, queued: 0 });
      const worker = await haproxy.workerPid();
      expect(held.oldest).toEqual(
        Array.from({ length: 2 }, () => ({ kind: 'request', ageSeconds: expect.any(Number), worker })),
      );
      await balancer.set(SERVER, 'maint', ['ready'], never);
      expect(await balancer.closeSessions(SERVER, 1, never)).toEqual({ tunnels: 0, requests: 1, left: 1 });
      await lookUntil(balancer, (view) => view.connections === 1);
      app.release();
      expect((await Promise.all(users)).filter((status) => status === 200)).toHaveLength(1);
    });

    test('ends the connections that are still there', async () => {
      const user = visit(port, 'SRV=c1');
      await app.holding(1);
      await balancer.set(SERVER, 'maint', ['ready'], never);
      expect(await balancer.closeSessions(SERVER, Infinity, never)).toEqual({
        tunnels: 0,
        requests: 1,
        left: 0,
      });
      expect([0, 502]).toContain(await user);
      expect(await lookUntil(balancer, (view) => view.connections === 0)).toMatchObject({ queued: 0 });
    });

    test('does not know a server that is not of this node', async () => {
      for (const work of [
        () => balancer.set('app/app2', 'drain', ['ready'], never),
        () => balancer.closeSessions('app/app2', Infinity, never),
        () => balancer.holders('app/app2', never),
      ]) {
        expect(await refusalOf(work)).toMatchObject({ code: 'no-such-server', next: expect.any(String) });
      }
    });

    test('says that HAProxy does not have the server', async () => {
      const stranger = await world.drive(haproxy, ['app/app9'], realClock);
      const [shown] = (await stranger.look(never)).servers;
      expect(shown).toMatchObject({ absent: expect.stringContaining('app/app9'), connections: 0 });
      const refusal = await refusalOf(() => stranger.survey(never));
      expect(refusal).toMatchObject({ code: 'no-such-server', target: expect.stringContaining('app/app9') });
    });

    test('says that HAProxy is gone, whatever is asked of it', async () => {
      await haproxy.stop();
      for (const work of [
        () => balancer.look(never),
        () => balancer.survey(never),
        () => balancer.set(SERVER, 'drain', ['ready'], never),
        () => balancer.closeSessions(SERVER, Infinity, never),
        () => balancer.holders(SERVER, never),
      ]) {
        const refusal = await refusalOf(work);
        expect(refusal).toMatchObject({ code: 'balancer-unreachable', next: expect.any(String) });
        expect(refusal.elapsedMs).toBeGreaterThanOrEqual(0);
      }
    });

    test('ends with the reason when it is given up', async () => {
      const gone = AbortSignal.abort(new Error('given up'));
      await expect(balancer.look(gone)).rejects.toThrow('given up');
      await expect(balancer.set(SERVER, 'drain', ['ready'], gone)).rejects.toThrow('given up');
      expect(await statusAtHaproxy()).toMatch(READY);
    });
  });
}

type ServerSeen = Awaited<ReturnType<Balancer['look']>>['servers'][number];

/** HAProxy takes note of the end of a connection a moment after the user does. */
async function lookUntil(balancer: Balancer, isThere: (view: ServerSeen) => boolean): Promise<ServerSeen> {
  for (;;) {
    const [view] = (await balancer.look(never)).servers;
    if (view !== undefined && isThere(view)) return view;
  }
}

function siteConfig(port: number, appPort: number, words: string): string {
  return `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  timeout queue 30s
  timeout check 5s
listen app
  bind 127.0.0.1:${port}
  balance roundrobin
  cookie SRV insert indirect nocache
  server app1 127.0.0.1:${appPort} cookie c1 weight 7 maxconn 2 ${words}
  server app2 127.0.0.1:${appPort} cookie c2
`;
}
