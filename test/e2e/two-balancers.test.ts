import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Haproxy } from '../support/haproxy.ts';
import { type Agent, type Front, openRig, patience, type Rig, statusAt, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
let other: Front;
beforeEach(async () => {
  rig = await openRig({ termMs: 50 });
  other = await rig.front();
});
afterEach(() => rig.close());

/** The sidecar of a node that stands behind both. */
async function beside(unreachable: 'wait' | 'ignore'): Promise<Agent> {
  const balancers = [rig.haproxy, other.haproxy].map(({ socket }) => ({
    haproxy: `unix:${socket}`,
    servers: ['app/app1'],
  }));
  const agent = await rig.sidecar({ sections: { balancers, unreachable } });
  await agent.reaches('serving');
  return agent;
}

const both = async (): Promise<string[]> => [await statusAt(rig.haproxy), await statusAt(other.haproxy)];

const inState = (haproxy: Haproxy, status: string): Promise<true> =>
  until(`app1 is in ${status}`, async () => (await statusAt(haproxy)) === status);

/** Resolves once the sidecar has noticed that the other HAProxy does not answer. */
const isMissed = (agent: Agent): Promise<true> =>
  until('it is missed', async () => {
    const { balancers } = await agent.client.status(patience());
    return balancers[1]?.reachable === false;
  });

describe('Two HAProxies, one of which freezes during the drain', () => {
  test('waits: zero is not reported while one of them cannot be asked, and the stop goes on once it answers', async () => {
    const agent = await beside('wait');
    const visitor = await rig.signIn(other.url);
    const { json } = await told(agent.cli('stop', '--no-wait'));
    await agent.reaches('draining');
    await inState(other.haproxy, 'DRAIN');
    expect(await both()).toEqual(['DRAIN', 'DRAIN']);
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    await other.haproxy.kill('SIGSTOP');
    await isMissed(agent);
    await visitor.leave();
    try {
      // The node is empty: a drain that did not wait would be over after the second count.
      const counted = new Set<string | null | undefined>();
      await until('the application has said 0 five times', async () => {
        const { phase, sessions, balancers } = await agent.client.status(patience());
        expect(phase).toBe('draining');
        expect(balancers[1]).toMatchObject({ reachable: false, servers: [{ connections: null }] });
        if (sessions.total === 0) counted.add(sessions.sources[0]?.at);
        return counted.size >= 5;
      });
      expect(await rig.terms()).toBe(0);
    } finally {
      await other.haproxy.kill('SIGCONT');
    }
    expect(await agent.ends(json.id)).toMatchObject({ ok: true, phase: 'stopped', forced: 0 });
    expect(await both()).toEqual(['MAINT', 'MAINT']);
    expect(await rig.terms()).toBe(1);
  });

  test('ignore: the drain goes on without it and warns; once it is back it gets the drain, and the return', async () => {
    const agent = await beside('ignore');
    const visitor = await rig.signIn();
    const draining = told(agent.cli('drain'));
    await inState(other.haproxy, 'DRAIN');
    await other.haproxy.kill('SIGSTOP');
    await isMissed(agent);
    await visitor.leave();
    const { code, json } = await draining;
    expect({ code, phase: json.phase }).toEqual({ code: 0, phase: 'drained' });
    expect(json.warnings.join('\n')).toContain(other.haproxy.socket);
    expect(json.balancers[1]?.servers[0]).toMatchObject({ admin: null, connections: null });
    expect(await statusAt(rig.haproxy)).toBe('MAINT');
    await other.haproxy.kill('SIGCONT');
    await inState(other.haproxy, 'MAINT');
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    expect(await both()).toEqual(['no check', 'no check']);
  });

  test('ignore: the node is back before the other one is, which ends up READY all the same', async () => {
    const agent = await beside('ignore');
    const draining = told(agent.cli('drain', '--no-wait'));
    await draining;
    await inState(other.haproxy, 'MAINT');
    await agent.reaches('drained');
    await other.haproxy.kill('SIGSTOP');
    await isMissed(agent);
    const { code, json } = await told(agent.cli('ready'));
    expect({ code, phase: json.phase }).toEqual({ code: 0, phase: 'serving' });
    expect(json.warnings.join('\n')).toContain(other.haproxy.socket);
    expect(await statusAt(rig.haproxy)).toBe('no check');
    await other.haproxy.kill('SIGCONT');
    await inState(other.haproxy, 'no check');
    await until('nothing is ours any more', async () => {
      const { balancers } = await agent.client.status(patience());
      return balancers.every(({ reachable, servers }) => reachable && servers[0]?.owner === 'none');
    });
    // What was sent to the frozen one is not done later.
    await told(agent.cli('drain'));
    expect(await both()).toEqual(['MAINT', 'MAINT']);
  });
});
