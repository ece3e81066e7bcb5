import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { createProbe } from '../../agent/probes/create.ts';
import type { Probe } from '../../agent/probes/probe.ts';
import { createProber, type Prober } from '../../agent/probes/prober.ts';
import { UNKNOWN, type Verdict } from '../../agent/probes/verdict.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { fixture, openRollCall, type RollCall } from '../support/fixture-reports.ts';
import { spawnQuiet } from '../support/spawn-quiet.ts';
import { startStub, type StubServer } from '../support/stub-server.ts';
import { driven } from '../support/driven.ts';
import { until } from '../support/until.ts';

const config = { everyMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 };

let clock: ManualClock;
let server: StubServer;
let prober: Prober;
let roll: RollCall;
/** What the application answers now; `held` = the request is kept, for the test to answer. */
let status: number | 'held';
let held: ServerResponse[];
let told: Verdict[];

beforeEach(async () => {
  clock = new ManualClock();
  roll = await openRollCall();
  status = 200;
  held = [];
  told = [];
  server = await startStub((_request, response) => {
    if (status === 'held') held.push(response);
    else response.writeHead(status).end();
  });
});
afterEach(async () => {
  await prober.close();
  await server.stop();
  await roll.close();
});

const begin = (url: string, everyMs = config.everyMs): void => {
  const how = {
    kind: 'http',
    url,
    healthy: [200],
    signOut: { status: [404], body: null },
    headers: {},
  } as const;
  const probe = createProbe({ ...config, how }, { clock, onWarning: () => undefined });
  prober = createProber({ ...config, everyMs }, probe, { clock }, (verdict) => told.push(verdict));
};
const ask = async (...answers: number[]): Promise<void> => {
  for (const answer of answers) {
    status = answer;
    await prober.askNow();
  }
};

describe('the prober', () => {
  test('begins at once, and asks again so long after each answer', async () => {
    begin(server.url);
    await prober.askNow();
    expect(server.requests).toHaveLength(1);
    expect(prober.verdict.health).toBe('unknown');
    clock.advance(config.everyMs - 1);
    expect(server.requests).toHaveLength(1);
    clock.advance(1);
    await prober.askNow();
    expect(server.requests).toHaveLength(2);
    expect(prober.verdict.health).toBe('up');
  });

  test('tells each change of the verdict once, and nothing of a flap', async () => {
    begin(server.url);
    await ask(200, 200, 200, 500, 200, 500, 500, 200, 500, 500, 500, 500, 200, 500, 200, 200);
    expect(told.map(({ health }) => health)).toEqual(['up', 'down', 'up']);
  });

  test('reports another reason of an application that is down, and the same one once', async () => {
    begin(server.url);
    await ask(500, 500, 500, 503, 503, 200, 503);
    expect(told.map(({ health, reason }) => [health, reason])).toEqual([
      ['down', expect.stringContaining('500')],
      ['down', expect.stringContaining('503')],
    ]);
  });

  test('tells a sign-out when it is certain, and when it is dropped', async () => {
    begin(server.url);
    await ask(200, 200, 404, 404, 200, 404, 404, 404, 404, 200, 200);
    expect(told.map(({ health, signedOut }) => [health, signedOut])).toEqual([
      ['up', false],
      ['up', true],
      ['up', false],
    ]);
  });

  test('has one probe on its way to an application that is slow, however often it is asked', async () => {
    status = 'held';
    begin(server.url);
    await until('the application is asked', () => held.length === 1);
    const answers = [prober.askNow(), prober.askNow(), prober.askNow()];
    clock.advance(config.timeoutMs - 1);
    held[0]?.end();
    await Promise.all(answers);
    expect(server.requests).toHaveLength(1);
    expect(server.mostOpen).toBe(1);
  });

  test('has one probe on its way to a frozen application, and says down after fall of them', async () => {
    spawnQuiet(fixture('serves', roll.port));
    const app = await roll.next();
    begin(`http://127.0.0.1:${app.note}/`);
    for (let times = 0; times < config.rise; times += 1) await prober.askNow();
    expect(prober.verdict.health).toBe('up');
    process.kill(app.pid, 'SIGSTOP');
    for (let times = 0; times < config.fall; times += 1) {
      expect(prober.verdict.health).toBe('up');
      await driven(clock, prober.askNow());
    }
    expect(prober.verdict).toMatchObject({
      health: 'down',
      reason: expect.stringContaining('within 1000 ms'),
    });
    process.kill(app.pid, 'SIGCONT');
    for (let times = 0; times < config.rise; times += 1) await prober.askNow();
    expect(told.map(({ health }) => health)).toEqual(['up', 'down', 'up']);
  });

  test('forgets all at a reset, drops the answer on its way, and asks again at once', async () => {
    begin(server.url);
    await ask(200, 200);
    status = 'held';
    clock.advance(config.everyMs);
    await until('the application is asked', () => held.length === 1);
    prober.reset();
    expect(prober.verdict).toBe(UNKNOWN);
    status = 500;
    await prober.askNow();
    // Had the answer on its way counted, there would be one more.
    expect(prober.verdict.streak).toMatchObject({ living: 0, bad: 1, out: 0, back: 0 });
    expect(server.requests).toHaveLength(4);
    expect(told).toHaveLength(1);
  });

  test('tells the same verdict anew after a reset, and that it rests on probes that were begun after it', async () => {
    begin(server.url);
    const start = clock.now();
    await ask(200);
    clock.advance(100);
    await ask(200);
    clock.advance(100);
    await ask(200);
    prober.reset();
    const resetAt = clock.now();
    await ask(200);
    clock.advance(100);
    await ask(200);
    expect(told.map(({ health, startedAt }) => [health, startedAt])).toEqual([
      ['up', start],
      ['up', resetAt],
    ]);
  });

  test('asks four times a second while warming, from the pause that has begun on, and as configured afterwards', async () => {
    begin(server.url);
    await prober.askNow();
    clock.advance(100);
    prober.setPace('warming');
    clock.advance(149);
    expect(clock.pending).toBe(1);
    for (const asked of [2, 3, 4]) {
      clock.advance(1);
      await prober.askNow();
      expect(server.requests).toHaveLength(asked);
      clock.advance(249);
    }
    prober.setPace('normal');
    clock.advance(config.everyMs - 250);
    expect(server.requests).toHaveLength(4);
    clock.advance(1);
    await prober.askNow();
    expect(server.requests).toHaveLength(5);
  });

  test('does not ask less often while warming than it is configured to', async () => {
    begin(server.url, 50);
    prober.setPace('warming');
    await prober.askNow();
    clock.advance(50);
    await prober.askNow();
    expect(server.requests).toHaveLength(2);
  });

  test('has one probe on its way to a slow application while warming, also after a reset', async () => {
    let flying = 0;
    let most = 0;
    const ends: (() => void)[] = [];
    // A probe that is aborted takes its time, as a command does.
    const slow: Probe = {
      async ask() {
        most = Math.max(most, (flying += 1));
        await new Promise<void>((resolve) => ends.push(resolve));
        flying -= 1;
        return { kind: 'healthy' };
      },
    };
    prober = createProber(config, slow, { clock }, (verdict) => told.push(verdict));
    prober.setPace('warming');
    clock.advance(2_000);
    prober.reset();
    prober.reset();
    clock.advance(2_000);
    const resetAt = clock.now();
    for (const asked of [1, 2, 3]) {
      expect(ends).toHaveLength(asked);
      ends.at(-1)?.();
      await turn();
      clock.advance(250);
    }
    expect(told.map(({ startedAt }) => startedAt)).toEqual([resetAt]);
    expect(most).toBe(1);
    for (const end of ends) end();
  });

  test('asks no more once it is closed, not even when it is asked to', async () => {
    status = 'held';
    begin(server.url);
    await until('the application is asked', () => held.length === 1);
    const closed = once(held[0] as ServerResponse, 'close');
    await prober.close();
    await closed;
    expect(clock.pending).toBe(0);
    prober.reset();
    prober.setPace('warming');
    expect(clock.pending).toBe(0);
    expect(await prober.askNow()).toBe(UNKNOWN);
    expect(server.requests).toHaveLength(1);
    expect(told).toEqual([]);
  });
});
