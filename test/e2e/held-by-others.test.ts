import { afterEach, describe, expect, test } from '@jest/globals';
import { openRig, patience, type Agent, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

const shown = async (agent: Agent) => (await agent.client.status(patience())).balancers[0]?.servers[0];
const untilShown = (agent: Agent, wanted: object): Promise<true> =>
  until(`it is ${JSON.stringify(wanted)}`, async () => {
    const server = { ...(await shown(agent)) };
    return Object.entries(wanted).every(([key, value]) => server[key as keyof typeof server] === value);
  });

describe('A server that tracks another one', () => {
  const PARENT = `  server app2 127.0.0.1:1 cookie app2\nbackend checked\n  server c1 127.0.0.1:1 check inter 1h\n`;
  const open = async (): Promise<Agent> => {
    rig = await openRig({ server: 'track checked/c1', others: PARENT });
    const agent = await rig.sidecar();
    await agent.reaches('serving');
    return agent;
  };

  test('is held while that one is drained: a drain is refused with 75, and nothing is changed', async () => {
    const agent = await open();
    await rig.haproxy.command('set server checked/c1 state drain');
    const before = await rig.states();
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 75, json: { code: 'held' } });
    await untilShown(agent, { admin: 'drain', owner: 'config' });
    expect(await rig.states()).toBe(before);
  });

  test('comes back as far as it is ours: what it inherits stays, and ready says that it is held', async () => {
    const agent = await open();
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0 });
    await rig.haproxy.command('set server checked/c1 state drain');
    const back = await told(agent.cli('ready'));
    expect(back).toMatchObject({ code: 75, json: { code: 'held' } });
    expect(back.json.warnings.join()).toContain('by a tracked server');
    // 0x10: inherited, and nothing of ours beside it.
    expect(await rig.states()).toMatch(/ app1 127\.0\.0\.1 \d 16 /);
    await untilShown(agent, { admin: 'drain', owner: 'config' });
    await rig.haproxy.command('set server checked/c1 state ready');
    await untilShown(agent, { admin: 'ready', owner: 'none' });
  });
});

describe('A server that the configuration keeps out', () => {
  test('by `disabled`: the sidecar knows it from an operator’s MAINT, drains around it, leaves it at ready, and takes it over by force', async () => {
    rig = await openRig({ server: 'disabled', termMs: 50 });
    const agent = await rig.sidecar();
    await untilShown(agent, { admin: 'maint', owner: 'config' });
    const stopped = await told(agent.cli('stop'));
    expect(stopped).toMatchObject({ code: 0, json: { phase: 'stopped' } });
    expect(stopped.json.warnings.join()).toContain('left as it is and counted');
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 75, json: { code: 'held' } });
    expect(await rig.admin()).toBe('MAINT');
    expect(await told(agent.cli('ready', '--force', '--reason', 'it is wanted'))).toMatchObject({ code: 0 });
    // The bit of the configuration stays beside READY, and is not taken for MAINT.
    expect(await rig.states()).toMatch(/ app1 127\.0\.0\.1 \d 4 /);
    await untilShown(agent, { admin: 'ready', owner: 'none' });
  });

  test('because its name does not resolve: unresolved is no wish, and is left alone too', async () => {
    const others =
      `  server app2 127.0.0.1:1 cookie app2\n` +
      `  server app3 app3.nowhere.test:80 resolvers none init-addr none\n` +
      `resolvers none\n  nameserver ns 127.0.0.1:1\n`;
    rig = await openRig({ others });
    const balancers = [{ haproxy: rig.haproxy.socket, servers: ['app/app3'] }];
    const agent = await rig.sidecar({ sections: { balancers } });
    await untilShown(agent, { admin: 'maint', owner: 'config' });
    const before = await rig.states();
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 75, json: { code: 'held' } });
    expect(await rig.states()).toBe(before);
  });
});
