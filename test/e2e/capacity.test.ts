import { afterEach, describe, expect, test } from '@jest/globals';
import { lastcall } from '../support/cli.ts';
import { runs } from '../support/long.ts';
import { looks } from '../support/looks.ts';
import { freePort } from '../support/ports.ts';
import { openRig, type Rig, told } from '../support/rig.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';
import { openTwoNodes, statusesOf, type TwoNodes } from '../support/two-nodes.ts';
import { until } from '../support/until.ts';

let nodes: TwoNodes | undefined;
let rig: Rig | undefined;
let neighbour: StubServer | undefined;
afterEach(async () => {
  await nodes?.close();
  await rig?.close();
  await neighbour?.stop();
  nodes = rig = neighbour = undefined;
});

describe('Two nodes that are asked in the same moment', () => {
  test('are never both fenced, and at least one of them is done', async () => {
    const two = (nodes = await openTwoNodes());
    const ended: string[] = [];
    for (let round = 0; round < runs(4); round += 1) {
      const { codes, bothFenced, neither } = await two.race();
      expect({ bothFenced, neither }).toEqual({ bothFenced: false, neither: false });
      ended.push(codes.toSorted().join());
      await two.reset();
      expect(await statusesOf(two.haproxy)).toEqual(['no check', 'no check']);
    }
    // On a machine that is slower than the two seconds that the lower one waits, both give back.
    expect(ended).toContain('done,guard');
    expect(ended.every((codes) => codes === 'done,guard' || codes === 'guard,guard')).toBe(true);
  });

  test('in direct mode neither', async () => {
    const { haproxy } = (nodes = await openTwoNodes());
    const drain = (name: string): ReturnType<typeof told> =>
      told(
        lastcall([
          'drain',
          '--haproxy',
          haproxy.socket,
          '--server',
          `app/${name}`,
          '--not-sticky',
          '--timeout',
          '5s',
          '--json',
        ]),
      );
    const ended = await Promise.all(['app1', 'app2'].map(drain));
    const codes = ended.map(({ json, code }) => `${json.code} ${code}`).toSorted();
    expect([
      ['done 0', 'guard 75'],
      ['guard 75', 'guard 75'],
    ]).toContainEqual(codes);
    expect(await statusesOf(haproxy)).toContain('no check');
  });
});

describe('A neighbour that dies while users are waited for', () => {
  test('what was found is put back; it comes back: DRAIN again, and done', async () => {
    const port = await freePort();
    neighbour = await startStub((_request, response) => void response.end(), port);
    // `rise` and `fall` of 1: HAProxy shows each change at once.
    const others = `  server app2 127.0.0.1:${port} cookie app2 check inter 200ms fall 1 rise 1\n`;
    const site = (rig = await openRig({ others, termMs: 50 }));
    const status2 = async (): Promise<string> => (await statusesOf(site.haproxy))[1] ?? '';
    await until('app2 was checked', async () => (await status2()) === 'UP');
    const agent = await site.sidecar({ timeout: '5m' });
    const visitor = await site.signIn();
    const stopping = agent.plain('stop');
    await until('app1 is in DRAIN', async () => (await site.admin()) === 'DRAIN');
    await looks(site.haproxy, 5);
    await neighbour.stop();
    await until('app1 is back', async () => (await site.admin()) === 'no check');
    expect((await status2()).startsWith('DOWN')).toBe(true);
    const status = await agent.client.status(AbortSignal.timeout(40_000));
    expect(status).toMatchObject({ phase: 'draining', operation: { operation: 'stop' } });
    expect(status.alarms.join()).toContain('app/app1 leaves 0 other usable servers, and drain.keep is 1');
    // The user leaves: nothing but the others keeps it.
    await visitor.leave();
    neighbour = await startStub((_request, response) => void response.end(), port);
    const { code, stdout, stderr } = await stopping.outcome;
    expect(code).toBe(0);
    expect(stdout + stderr).toContain('put back for the time being');
    expect(await site.admin()).toBe('MAINT');
    expect(await site.terms()).toBe(1);
  });
});
