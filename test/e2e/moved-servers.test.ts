import { describe, expect, test } from '@jest/globals';
import { told } from '../support/rig.ts';
import { OTHER, open, rig } from '../support/surroundings-rig.ts';
import { until } from '../support/until.ts';

/** A controller gives servers other addresses by the Runtime API, as one of Kubernetes or of Consul does, while a node goes out. */

const SLOTS = { others: `${OTHER}backend slots\n  server srv2 127.0.0.1:2\n  server srv3 127.0.0.1:3\n` };

/** As a controller writes it. */
const give = (server: string, port: number): Promise<string> =>
  rig.haproxy.command(`set server ${server} addr 127.0.0.1 port ${port}`);

const drains = (): Promise<unknown> => until('it drains', async () => (await rig.admin()) === 'DRAIN');

describe('A server that has the address of this node in the middle of an operation', () => {
  test.each([
    ['ours leads elsewhere by then', true],
    ['ours has it still', false],
  ])('ends a stop before anything is stopped, and it is named: %s', async (_what, moves) => {
    await open(SLOTS);
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    const stop = agent.cli('stop');
    await drains();
    if (moves) await give('app/app1', 9);
    await give('slots/srv3', rig.node.port);
    await visitor.leave();
    const { code, json } = await told(stop);
    expect({ code, said: json.code, phase: json.phase }).toEqual({
      code: 75,
      said: 'unlisted',
      phase: 'serving',
    });
    expect(json.message).toMatch(/slots\/srv3 has the address (of|that) app\/app1/);
    expect(await rig.terms()).toBe(0);
    expect(await rig.states()).toContain(' app1 127.0.0.1 2 0 ');
  });

  test('is no drained node where ours leads elsewhere: a drain ends without it, too', async () => {
    await open(SLOTS);
    const drain = told(rig.direct('drain', '--sessions', `${rig.node.url}/sessions`, '--timeout', '20s'));
    const visitor = await rig.signIn();
    await drains();
    await give('app/app1', 9);
    await give('slots/srv3', rig.node.port);
    expect(await drain).toMatchObject({ code: 75, json: { code: 'unlisted' } });
    await visitor.leave();
  });

  test('stands against the stop of a node that was drained before', async () => {
    await open(SLOTS);
    const agent = await rig.sidecar();
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
    await give('slots/srv3', rig.node.port);
    const refusal = await told(agent.cli('stop'));
    expect(refusal).toMatchObject({ code: 75, json: { code: 'unlisted', phase: 'drained' } });
    expect(await rig.terms()).toBe(0);
    await give('slots/srv3', 3);
    expect(await told(agent.cli('stop'))).toMatchObject({ code: 0, json: { phase: 'stopped' } });
  });

  test('is a warning for a caller that ends the application next, and so is a server of ours that leads elsewhere', async () => {
    await open(SLOTS);
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    const stop = agent.cli('stop', '--no-refuse');
    await drains();
    await give('app/app1', 9);
    await give('slots/srv3', rig.node.port);
    await visitor.leave();
    const { code, json } = await told(stop);
    expect({ code, phase: json.phase }).toEqual({ code: 0, phase: 'stopped' });
    expect(json.warnings.join('\n')).toContain('slots/srv3');
    expect(json.warnings.join('\n')).toContain(
      `app/app1 leads to 127.0.0.1:9, and led to 127.0.0.1:${rig.node.port} before`,
    );
  });
});
