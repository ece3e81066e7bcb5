import { afterEach, expect, test } from '@jest/globals';
import { type Agent, openRig, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

// `writer: agent-check` at a HAProxy whose server line has no agent-check: no poll will ever come.

let rig: Rig;
afterEach(() => rig.close());

async function opened(): Promise<{ readonly agent: Agent; readonly second: () => Promise<string> }> {
  rig = await openRig();
  const { haproxy } = await rig.front();
  const balancers = [
    { haproxy: `unix:${rig.haproxy.socket}`, servers: ['app/app1'] },
    { haproxy: `unix:${haproxy.operatorSocket}`, writer: 'agent-check', servers: ['app/app1'] },
  ];
  const agent = await rig.sidecar({ sections: { balancers } });
  await agent.reaches('serving');
  return { agent, second: () => haproxy.command('show servers state app') };
}

test('is refused at once with 78, which says what to write, and no HAProxy has changed', async () => {
  const { agent, second } = await opened();
  const before = [await rig.states(), await second()];
  const { code, json } = await told(agent.cli('drain'));
  expect({ code, told: json.code }).toEqual({ code: 78, told: 'config' });
  expect(json.message).toMatch(/^app\/app1 at unix:\S+: HAProxy has no agent-check for it.*agent-port PORT/);
  expect(json.seconds).toBeLessThan(5);
  expect(await rig.states()).toBe(before[0]);
  expect(serversOf(await second())).toEqual(serversOf(before[1]));
});

test('does not keep a caller that cannot be refused from draining the others', async () => {
  const { agent } = await opened();
  const running = agent.cli('drain', '--no-refuse', '--timeout', '2s', '--on-timeout', 'hold');
  await until('DRAIN at the HAProxy that can be set', async () => (await rig.admin()).startsWith('DRAIN'));
  const { code, json } = await told(running);
  expect({ code, told: json.code }).toEqual({ code: 124, told: 'deadline' });
  expect(json.warnings).toContainEqual(
    expect.stringMatching(/no agent-check for it.*the operation waits for it$/),
  );
});

/** Each server with its admin bits. */
function serversOf(states = ''): string[] {
  return states.split('\n').map((row) => row.split(' ').slice(1, 7).join(' '));
}
