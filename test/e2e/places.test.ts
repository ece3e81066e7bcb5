import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Agent, type Front, openRig, patience, type Rig, statusAt, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

/** HAProxys that the configuration names before a restart of the sidecar, or after it, and not both times (I17). */

let rig: Rig;
let other: Front;
let agent: Agent | undefined;
beforeEach(async () => {
  rig = await openRig({ termMs: 50 });
  other = await rig.front();
  agent = undefined;
});
afterEach(() => rig.close());

/** The sidecar of the node with these HAProxys in its file; the one before it is killed. */
async function configured(...fronts: readonly Front['haproxy'][]): Promise<Agent> {
  await agent?.kill();
  const balancers = fronts.map(({ socket }) => ({ haproxy: `unix:${socket}`, servers: ['app/app1'] }));
  agent = await rig.sidecar({ sections: { balancers } });
  return agent;
}

const alarmsOf = async (running: Agent): Promise<string> =>
  (await running.client.status(patience())).alarms.join('\n');

test('a HAProxy that is added while the node is drained: its users are waited for, and the stop is done without an error', async () => {
  const first = await configured(rig.haproxy);
  await first.reaches('serving');
  expect(await told(first.cli('drain'))).toMatchObject({ code: 0 });
  const visitor = await rig.signIn(other.url);
  const second = await configured(rig.haproxy, other.haproxy);
  const { json } = await told(second.cli('stop', '--no-wait'));
  await until('the new one is in DRAIN', async () => (await statusAt(other.haproxy)) === 'DRAIN');
  expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
  expect(await second.client.status(patience())).toMatchObject({ phase: 'draining', sessions: { total: 1 } });
  expect(await rig.terms()).toBe(0);
  await visitor.leave();
  expect(await second.ends(json.id)).toMatchObject({ ok: true, phase: 'stopped', forced: 0 });
  expect([await statusAt(rig.haproxy), await statusAt(other.haproxy)]).toEqual(['MAINT', 'MAINT']);
  expect(await told(second.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
  expect([await statusAt(rig.haproxy), await statusAt(other.haproxy)]).toEqual(['no check', 'no check']);
});

describe('Taken out of the file while the node is out', () => {
  test('a HAProxy is named by an alarm and left alone; written back, it is ours again', async () => {
    const first = await configured(rig.haproxy, other.haproxy);
    await first.reaches('serving');
    expect(await told(first.cli('drain'))).toMatchObject({ code: 0 });
    const second = await configured(rig.haproxy);
    await second.reaches('drained');
    expect(await alarmsOf(second)).toContain(
      `${other.haproxy.socket}: app/app1 is no longer in the configuration`,
    );
    const third = await configured(rig.haproxy, other.haproxy);
    await third.reaches('drained');
    expect(await alarmsOf(third)).toBe('');
    expect(await told(third.cli('ready'))).toMatchObject({
      code: 0,
      json: { phase: 'serving', warnings: [] },
    });
    expect(await statusAt(other.haproxy)).toBe('no check');
  });

  test('a server stays in MAINT until the node returns, and is READY then', async () => {
    const { haproxy } = rig;
    const listing = async (...servers: readonly string[]): Promise<Agent> => {
      await agent?.kill();
      const balancers = [{ haproxy: `unix:${haproxy.socket}`, servers }];
      agent = await rig.sidecar({ sections: { balancers } });
      return agent;
    };
    const app2 = async (): Promise<string> =>
      (await haproxy.command('show servers state app')).split('\n').find((row) => row.includes(' app2 ')) ??
      '';
    // Only so that another node's server is not the last usable one.
    const first = await listing('app/app1', 'app/app2');
    await first.reaches('serving');
    expect(await told(first.cli('drain', '--force', '--reason', 'both are this node'))).toMatchObject({
      code: 0,
    });
    const isMaint = async (): Promise<boolean> => app2().then((row) => row.split(' ')[6] === '1');
    expect(await isMaint()).toBe(true);
    const second = await listing('app/app1');
    await second.reaches('drained');
    expect(await alarmsOf(second)).toContain('app/app2 is no longer in the configuration');
    expect(await told(second.cli('stop'))).toMatchObject({ code: 0 });
    expect(await isMaint()).toBe(true);
    expect(await told(second.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    expect(await isMaint()).toBe(false);
    expect(await alarmsOf(second)).toBe('');
  });
});
