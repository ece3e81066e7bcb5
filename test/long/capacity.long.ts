import { expect, test } from '@jest/globals';
import { realClock } from '../../agent/system/clock.ts';
import { runs } from '../support/long.ts';
import { freePort } from '../support/ports.ts';
import { openRig } from '../support/rig.ts';
import { startStub } from '../support/stub-server.ts';
import { openTwoNodes, statusesOf } from '../support/two-nodes.ts';

const ROUNDS = 50;

test('two sidecars, two nodes, asked at once: never both fenced, and at least one done', async () => {
  const two = await openTwoNodes();
  try {
    const ended = new Map<string, number>();
    for (let round = 0; round < runs(ROUNDS); round += 1) {
      const { codes, bothFenced, neither } = await two.race();
      expect({ round, bothFenced, neither, done: codes.includes('done') }).toEqual({
        round,
        bothFenced: false,
        neither: false,
        done: true,
      });
      ended.set(codes.join(), (ended.get(codes.join()) ?? 0) + 1);
      await two.reset();
    }
    process.stdout.write(
      `two at once: ${[...ended].map(([codes, times]) => `${codes} ${times}`).join('; ')}\n`,
    );
  } finally {
    await two.close();
  }
});

/** Two looks of the draining pace, and the second that is promised after them (INVARIANTS.md#other-promises). */
const BACK_WITHIN_MS = 1_500;

test('a neighbour that dies while users are waited for: what was found is back in time, and never fenced', async () => {
  const took: number[] = [];
  for (let round = 0; round < runs(10); round += 1) {
    const port = await freePort();
    const answer = (_request: unknown, response: { end(): void }): void => response.end();
    let neighbour = await startStub(answer, port);
    const others = `  server app2 127.0.0.1:${port} cookie app2 check inter 100ms fall 1 rise 1\n`;
    const rig = await openRig({ others, termMs: 50 });
    const statusOf = async (name: 'app1' | 'app2'): Promise<string> =>
      (await statusesOf(rig.haproxy))[name === 'app1' ? 0 : 1] ?? '';
    const reach = async (name: 'app1' | 'app2', status: RegExp): Promise<number> => {
      while (!status.test(await statusOf(name)));
      return realClock.now();
    };
    try {
      await reach('app2', /^UP/);
      const agent = await rig.sidecar({ timeout: '5m' });
      const visitor = await rig.signIn();
      const stopping = agent.plain('stop');
      await reach('app1', /^DRAIN/);
      // Beyond the read-back: it is waited for the user.
      for (let looks = 0; looks < 10; looks += 1) await agent.client.status(AbortSignal.timeout(40_000));
      await neighbour.stop();
      const downAt = await reach('app2', /^DOWN/);
      took.push((await reach('app1', /^no check/)) - downAt);
      await visitor.leave();
      neighbour = await startStub(answer, port);
      expect((await stopping.outcome).code).toBe(0);
      expect(await statusOf('app2')).toBe('UP');
    } finally {
      await neighbour.stop();
      await rig.close();
    }
  }
  const [least, most] = [Math.min(...took), Math.max(...took)];
  process.stdout.write(`neighbour dies: back after ${Math.round(least)} to ${Math.round(most)} ms\n`);
  expect(most).toBeLessThan(BACK_WITHIN_MS);
});
