import { afterEach, expect, test } from '@jest/globals';
import { openRig, patience, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

/** An operator, or an ingress controller, has the server in DRAIN before lastcall is asked. */
async function open(by: string): ReturnType<Rig['sidecar']> {
  rig = await openRig({ termMs: 50 });
  const agent = await rig.sidecar({ sections: { foreignDrain: 'follow' } });
  await agent.reaches('serving');
  await rig.haproxy.command(by);
  return agent;
}

test.each([
  ['DRAIN', 'set server app/app1 state drain'],
  ['weight 0', 'set server app/app1 weight 0'],
])(
  '%s from outside is followed: a stop waits for the user, and lastcall never writes there',
  async (_what, by) => {
    rig = await openRig({ termMs: 50 });
    const visitor = await rig.signIn();
    await rig.haproxy.command(by);
    const agent = await rig.sidecar({ sections: { foreignDrain: 'follow' } });
    await agent.reaches('serving');
    const found = await rig.states();
    const stop = told(agent.cli('stop', '--timeout', '30s'));
    await agent.reaches('draining');
    expect(await visitor.click()).toMatchObject({ node: 'app1', lost: false });
    expect(await rig.terms()).toBe(0);
    await visitor.leave();
    const { code, json } = await stop;
    expect({ code, json }).toMatchObject({ code: 0, json: { code: 'done', phase: 'stopped', forced: 0 } });
    expect(json.warnings.join()).toContain('is not fenced');
    expect(await rig.terms()).toBe(1);
    expect(await rig.states()).toBe(found);
    const ready = await told(agent.cli('ready'));
    expect(ready).toMatchObject({ code: 0, json: { code: 'done', phase: 'serving' } });
    expect(ready.json.warnings.join()).toContain('takes new users once its owner ends that');
    expect(await rig.states()).toBe(found);
  },
);

test('a deadline leaves it as it was found', async () => {
  const agent = await open('set server app/app1 state drain');
  await rig.signIn();
  const found = await rig.states();
  const { code, json } = await told(agent.cli('stop', '--timeout', '600ms'));
  expect({ code, json: json.code }).toEqual({ code: 124, json: 'deadline' });
  expect(await rig.states()).toBe(found);
  expect(await rig.terms()).toBe(0);
});

test('once its owner lifts it in the middle it is drained and fenced like every server', async () => {
  const agent = await open('set server app/app1 state drain');
  const visitor = await rig.signIn();
  const drain = told(agent.cli('drain', '--timeout', '30s'));
  await agent.reaches('draining');
  await rig.haproxy.command('set server app/app1 state ready');
  await until(
    'DRAIN by lastcall',
    async () => (await agent.client.status(patience())).balancers[0]?.servers[0]?.owner === 'lastcall',
  );
  await visitor.leave();
  expect(await drain).toMatchObject({ code: 0, json: { phase: 'drained' } });
  expect(await rig.admin()).toBe('MAINT');
  expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { warnings: [] } });
  expect(await rig.admin()).toBe('no check');
});
