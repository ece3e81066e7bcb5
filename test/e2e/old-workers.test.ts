import { afterEach, describe, expect, test } from '@jest/globals';
import type { Status } from '../../agent/lifecycle/model/api.ts';
import { download, type Guest, openWebsocket } from '../support/app-with-open-connections.ts';
import { type Agent, openRig, patience, type Rig, told } from '../support/rig.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

const COOKIE = 'SRV=app1';

/** A sidecar that counts only connections, or what the sources count. */
async function beside(
  balancer: Readonly<Record<string, unknown>>,
  sections: Readonly<Record<string, unknown>>,
): Promise<Agent> {
  const balancers = [{ haproxy: `unix:${rig.haproxy.socket}`, servers: ['app/app1'], ...balancer }];
  const agent = await rig.sidecar({ sections: { balancers, sticky: false, sessions: [], ...sections } });
  await agent.reaches('serving');
  return agent;
}

const port = (): number => Number(new URL(rig.url).port);

async function reload(agent: Agent): Promise<void> {
  const pid = await rig.haproxy.reload();
  await until('the new worker was seen', async () => (await statusOf(agent)).balancers[0]?.pid === pid);
}

const statusOf = (agent: Agent): Promise<Status> => agent.client.status(patience());

async function finish(file: Guest): Promise<void> {
  await fetch(`${rig.node.url}/finish`, { method: 'POST' });
  expect(await file.ended).toBe('halfhalf');
}

describe('A stop over two reloads', () => {
  test('waits for a download and a websocket of an old worker, each to its own end', async () => {
    rig = await openRig({ master: true, termMs: 50 });
    const agent = await beside({ master: `unix:${rig.haproxy.masterSocket}` }, { reloadGrace: '100ms' });
    const file = await download(port(), COOKIE);
    const socket = await openWebsocket(port(), COOKIE);
    const { json } = await told(agent.cli('stop', '--no-wait'));
    await reload(agent);
    await reload(agent);
    const counted = await until('both are counted', async () => {
      const { phase, sessions, balancers } = await statusOf(agent);
      const workers = balancers[0]?.workers ?? null;
      // A word's read-back may count them again before the next look tells how many workers there are.
      return sessions.total === 2 && workers !== null && { phase, workers };
    });
    expect(counted.phase).toBe('draining');
    expect(counted.workers).toBeGreaterThanOrEqual(2);
    await finish(file);
    await until('the websocket is left', async () => (await statusOf(agent)).sessions.total === 1);
    expect(await rig.terms()).toBe(0);
    socket.leave();
    expect(await agent.ends(json.id)).toMatchObject({ ok: true, phase: 'stopped', forced: 0 });
    expect(await rig.terms()).toBe(1);
  });

  test('that happened before the stop was asked for: the same', async () => {
    rig = await openRig({ master: true, termMs: 50 });
    const agent = await beside({ master: `unix:${rig.haproxy.masterSocket}` }, { reloadGrace: '100ms' });
    const file = await download(port(), COOKIE);
    await rig.haproxy.reload();
    await rig.haproxy.reload();
    const { json } = await told(agent.cli('stop', '--no-wait'));
    await until('it is counted', async () => (await statusOf(agent)).sessions.total === 1);
    expect(await rig.terms()).toBe(0);
    await finish(file);
    expect(await agent.ends(json.id)).toMatchObject({ ok: true, phase: 'stopped', sessions: { start: 1 } });
  });

  test('without a master socket, on another machine: unknown, and only reloadGrace ends the doubt', async () => {
    const at = await freePort();
    const others = `  server app2 127.0.0.1:1 cookie app2\nglobal\n  stats socket ipv4@127.0.0.1:${at} level admin\n`;
    rig = await openRig({ master: true, termMs: 50, others });
    // It leads to this machine, but is not one of the addresses that can lead nowhere else.
    const agent = await beside({ haproxy: `tcp://0.0.0.0:${at}` }, { reloadGrace: '3s' });
    const file = await download(port(), COOKIE);
    const { json } = await told(agent.cli('stop', '--no-wait'));
    await agent.reaches('draining');
    const before = performance.now();
    await reload(agent);
    const { sessions, balancers } = await statusOf(agent);
    expect({ total: sessions.total, workers: balancers[0]?.workers }).toEqual({ total: null, workers: null });
    expect(balancers[0]?.servers[0]?.connections).toBeNull();
    await finish(file);
    expect(await agent.ends(json.id)).toMatchObject({ ok: true, phase: 'stopped' });
    expect(performance.now() - before).toBeGreaterThanOrEqual(3_000);
  });

  test('without a master socket, where the kernel is asked: it waits for the old worker’s users, and no longer', async () => {
    rig = await openRig({ master: true, termMs: 50 });
    const agent = await beside({}, { reloadGrace: '10m', sessions: [{ tcp: rig.node.port }] });
    const file = await download(port(), COOKIE);
    const socket = await openWebsocket(port(), COOKIE);
    const { json } = await told(agent.cli('stop', '--no-wait'));
    await agent.reaches('draining');
    await reload(agent);
    await reload(agent);
    await until('both are seen', async () => (await statusOf(agent)).sessions.total === 2);
    await finish(file);
    await until('one is left', async () => (await statusOf(agent)).sessions.total === 1);
    expect(await rig.terms()).toBe(0);
    socket.leave();
    expect(await agent.ends(json.id)).toMatchObject({ ok: true, phase: 'stopped', forced: 0 });
  });
});
