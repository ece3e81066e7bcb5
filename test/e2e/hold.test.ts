import { afterEach, describe, expect, test } from '@jest/globals';
import { openRig, patience, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

const admin = (wanted: string): Promise<true> =>
  until(`app1 is in ${wanted}`, async () => ((await rig.admin()) === wanted ? true : undefined));

describe("An operator's hold", () => {
  test('keeps the node out over a reload and a kill -9, until it is released', async () => {
    rig = await openRig({ master: true });
    const before = await rig.states();
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    expect(await told(agent.cli('hold', '--reason', 'memory test'))).toMatchObject({
      code: 0,
      json: { ok: true, operation: 'hold' },
    });
    expect(await rig.admin()).toBe('DRAIN');
    const { hold, balancers } = await agent.client.status(patience());
    expect(hold).toMatchObject({ admin: 'drain', reason: 'memory test' });
    expect(balancers[0]?.servers[0]?.owner).toBe('operator');

    for (const verb of ['drain', 'stop', 'restart', 'ready']) {
      expect(await told(agent.cli(verb))).toMatchObject({ code: 75, json: { code: 'held' } });
    }
    await rig.haproxy.reload();
    await admin('DRAIN');
    await agent.kill();
    await rig.haproxy.reload();
    const successor = await rig.sidecar();
    await admin('DRAIN');
    expect(await visitor.click()).toMatchObject({ status: 200, node: 'app1', lost: false });
    expect(await told(successor.cli('ready'))).toMatchObject({ code: 75, json: { code: 'held' } });

    expect(await told(successor.cli('release'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    expect(await rig.states()).toBe(before);
  });

  test('needs a reason', async () => {
    rig = await openRig();
    const agent = await rig.sidecar();
    expect(await told(agent.cli('hold'))).toMatchObject({ code: 64, json: { code: 'usage' } });
    expect(await rig.admin()).toBe('no check');
  });

  test('in MAINT takes the node out at once, and gives way to force', async () => {
    rig = await openRig();
    const agent = await rig.sidecar();
    expect(await told(agent.cli('hold', '--maint', '--reason', 'disk'))).toMatchObject({ code: 0 });
    expect(await rig.admin()).toBe('MAINT');
    expect(await told(agent.cli('ready', '--force', '--reason', 'needed now'))).toMatchObject({
      code: 0,
      json: { phase: 'serving' },
    });
    expect((await agent.client.status(patience())).hold).toBeNull();
  });
});
