import { afterEach, describe, expect, test } from '@jest/globals';
import { openRig, patience, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

const admin = (wanted: string): Promise<true> =>
  until(`app1 is in ${wanted}`, async () => ((await rig.admin()) === wanted ? true : undefined));

describe('A reload of HAProxy, which forgets what was set at run time', () => {
  test('while draining: DRAIN is set again, and the application is stopped only after the last session', async () => {
    rig = await openRig({ master: true, termMs: 50 });
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    const { json } = await told(agent.cli('stop', '--no-wait'));
    await agent.reaches('draining');
    await admin('DRAIN');
    await rig.haproxy.reload();
    await admin('DRAIN');
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    expect(await rig.terms()).toBe(0);
    await visitor.leave();
    const result = await agent.ends(json.id);
    expect(result).toMatchObject({ ok: true, phase: 'stopped', forced: 0 });
    // The counters began anew with the worker: the receipt has null instead of invented numbers.
    expect(result.receipt.http5xx).toBeNull();
    expect(result.warnings.join('\n')).toContain('began anew');
    expect(await rig.terms()).toBe(1);
  });

  test('while drained it is drained again, while stopped MAINT is set again; the way back works as ever', async () => {
    rig = await openRig({ master: true, termMs: 50 });
    const agent = await rig.sidecar();
    await told(agent.cli('drain'));
    const seen = agent.reaches('draining');
    await rig.haproxy.reload();
    // Users may have come in since: DRAIN first, and MAINT once the node is empty.
    await seen;
    await agent.reaches('drained');
    await admin('MAINT');

    expect(await told(agent.cli('stop'))).toMatchObject({ code: 0, json: { phase: 'stopped' } });
    await rig.haproxy.reload();
    await admin('MAINT');
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    expect(await rig.admin()).toBe('no check');
    expect(await rig.terms()).toBe(1);
  });

  test('while no node is out: nothing is written at all', async () => {
    rig = await openRig({ master: true });
    const agent = await rig.sidecar();
    await agent.reaches('serving');
    const pid = await rig.haproxy.reload();
    await until('the new worker was seen', async () => {
      const { balancers } = await agent.client.status(patience());
      return balancers[0]?.pid === pid ? true : undefined;
    });
    expect(await rig.admin()).toBe('no check');
  });

  test.each([
    ['draining', 'DRAIN'],
    ['stopped', 'MAINT'],
  ] as const)('nor does kill -9 of HAProxy and another start, while %s', async (phase, status) => {
    rig = await openRig({ master: true, termMs: 50 });
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    const { json } = await told(agent.cli('stop', '--no-wait'));
    await agent.reaches('draining');
    if (phase === 'stopped') {
      await visitor.leave();
      await agent.ends(json.id);
    }
    await admin(status);
    // Only what was read back can be lost, and be set again.
    await until('it was read back', async () => {
      const { balancers } = await agent.client.status(patience());
      return balancers[0]?.servers[0]?.applied?.admin.toUpperCase() === status;
    });
    await rig.haproxy.restart();
    await admin(status);
    if (phase === 'draining') {
      expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
      await visitor.leave();
      expect(await agent.ends(json.id)).toMatchObject({
        ok: true,
        phase: 'stopped',
        reasserts: { count: 1 },
      });
    }
    expect((await agent.client.status(patience())).reasserts.count).toBe(1);
    expect(await rig.node.terms()).toMatchObject([{ active: 0 }]);
  });

  test('in direct mode: the drain is set again too', async () => {
    rig = await openRig({ master: true, termMs: 50 });
    const visitor = await rig.signIn();
    const words = ['--sessions', `${rig.node.url}/sessions`, '--stop-pid', rig.node.pidFile];
    // Without it the old worker's connections are unknown for ten minutes.
    const master = ['--master', rig.haproxy.masterSocket ?? ''];
    const stopping = told(rig.direct('stop', ...words, ...master));
    await admin('DRAIN');
    await rig.haproxy.reload();
    await admin('DRAIN');
    expect(await rig.terms()).toBe(0);
    await visitor.leave();
    expect(await stopping).toMatchObject({ code: 0, json: { phase: 'stopped' } });
  });
});
