import { request, type ClientRequest } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Status } from '../../agent/lifecycle/model/api.ts';
import type { HoldersReport } from '../../agent/lifecycle/model/forecast.ts';
import { openRig, patience, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

/** A page of app1 that takes so long; resolves once HAProxy has given it to the server. */
async function slowPage(ms: number): Promise<ClientRequest> {
  const before = await rig.haproxy.command('show stat app 4 1');
  const outgoing = request(`${rig.url}/?sleep=${ms}`, { agent: false, headers: { cookie: 'SRV=app1' } });
  outgoing.on('error', () => undefined);
  outgoing.end();
  await until('the request is at the server', async () =>
    (await rig.haproxy.command('show stat app 4 1')) === before ? undefined : true,
  );
  return outgoing;
}

describe('A drain that a user holds up', () => {
  test('shows each connection: kind, age and worker, in the JSON and for people, and asks nothing while in service', async () => {
    rig = await openRig();
    const agent = await rig.sidecar();
    const outgoing = await slowPage(60_000);
    const { json } = await told(agent.cli('drain', '--no-wait'));
    const draining = await agent.reaches('draining');
    const outcome = await agent.cli('status').outcome;
    const status = JSON.parse(outcome.stdout) as Status & { holders: HoldersReport };
    expect(status.holders.servers).toEqual([
      {
        balancer: `unix:${rig.haproxy.socket}`,
        server: 'app/app1',
        requests: 1,
        tunnels: 0,
        queued: 0,
        idle: expect.any(Number),
        error: null,
      },
    ]);
    expect(status.holders.oldest).toEqual([
      {
        balancer: `unix:${rig.haproxy.socket}`,
        server: 'app/app1',
        kind: 'request',
        ageSeconds: expect.any(Number),
        worker: draining.balancers[0]?.pid,
      },
    ]);
    expect((await agent.plain('status').outcome).stdout).toMatch(/request +\S+ +unix:\S+ +app\/app1 +\d+\n/);
    expect(status.etaReason).toMatch(/too early for an estimate|no sign of falling/);
    expect(status.curve.at(-1)).toBe(1);
    outgoing.destroy();
    await agent.client.cancel(json.id, patience());
    await agent.reaches('serving');
    expect(JSON.parse((await agent.cli('status').outcome).stdout)).toMatchObject({ eta: null, curve: [] });
  });
});
