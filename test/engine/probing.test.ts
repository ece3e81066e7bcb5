import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { createEngine, type Engine } from '../../agent/engine/engine.ts';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import type { OperationKind, Phase } from '../../agent/lifecycle/model/api.ts';
import { OWN_TERMS } from '../../agent/lifecycle/model/policy.ts';
import type { Probe, ProbeAnswer } from '../../agent/probes/probe.ts';
import { createProber } from '../../agent/probes/prober.ts';
import { emptyBalancer } from '../support/empty-balancer.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryLog } from '../support/memory-log.ts';
import { POLICY } from '../support/world/scene.ts';

const HEALTHY: ProbeAnswer = { kind: 'healthy' };
const BAD: ProbeAnswer = { kind: 'unhealthy', reason: 'connection refused' };
const config = { everyMs: 2_000, rise: 2, fall: 3 };
const policy = { ...POLICY, sources: [], userSources: [], appSources: [], sticky: false, canStart: false };

let clock: ManualClock;
let engine: Engine;
/** What the application answers, and when it was asked. */
let answer: ProbeAnswer;
let asked: number[];

beforeEach(async () => {
  clock = new ManualClock();
  answer = HEALTHY;
  asked = [];
  const probe: Probe = { ask: () => (asked.push(clock.now()), Promise.resolve(answer)) };
  engine = createEngine(policy, {
    clock,
    random: () => 0.5,
    log: memoryLog(),
    balancers: [emptyBalancer()],
    sources: [],
    stopper: null,
    starter: null,
    rebooter: null,
    identify: () => null,
    probing: {
      ...config,
      timeoutMs: 1_000,
      probe,
      prober: createProber(config, probe, { clock }, (verdict) => engine.probed(verdict)),
    },
    gate: null,
    lock: null,
    warners: [],
    journal: { load: () => Promise.resolve({ kind: 'none' }), save: () => Promise.resolve() },
    bootId: 'boot',
    lastRuns: createLastRuns(),
  });
  await engine.start();
});
afterEach(() => engine.close());

const submit = (kind: OperationKind): void =>
  void engine.submit({ ...OWN_TERMS, id: kind, kind, reason: null, by: 'test' });

const admin = (): string | null | undefined => engine.status().balancers[0]?.servers[0]?.admin;

/** Lets time pass, in steps in which the answers come in. */
async function pass(ms: number): Promise<void> {
  for (const end = clock.now() + ms; clock.now() < end;) {
    clock.advance(10);
    await turn();
  }
}
async function reach(phase: Phase): Promise<void> {
  for (let steps = 0; engine.status().phase !== phase; steps += 1) {
    if (steps > 6_000) throw new Error(`a minute later it is still ${engine.status().phase}`);
    await pass(10);
  }
}
/** How often the application is asked in so many seconds. */
async function askedIn(seconds: number): Promise<number> {
  const before = asked.length;
  await pass(seconds * 1_000);
  return asked.length - before;
}

describe('The application is asked', () => {
  test('as often as configured, four times a second while it is waited for, and as configured again', async () => {
    await reach('serving');
    expect(await askedIn(10)).toBe(5);
    submit('drain');
    await reach('drained');
    expect(await askedIn(10)).toBe(5);
    answer = BAD;
    await pass(10_000);
    submit('ready');
    await reach('warming');
    // A clock of 10 ms: a probe and the pause after it are 250 ms, or a step more.
    const warming = await askedIn(10);
    expect(warming).toBeGreaterThanOrEqual(38);
    expect(warming).toBeLessThanOrEqual(41);
    answer = HEALTHY;
    await reach('serving');
    expect(await askedIn(10)).toBe(5);
  });
});

describe('READY over our fence', () => {
  test('is not set on what the probes knew before the way back began', async () => {
    await pass(5_000);
    submit('drain');
    await reach('drained');
    expect(engine.status().health).toBe('up');
    // Restarted from outside a moment ago: no probe has met the new process yet.
    answer = BAD;
    submit('ready');
    const warmingAt = clock.now();
    await pass(20_000);
    expect(engine.status().phase).toBe('warming');
    expect(admin()).toBe('maint');
    answer = HEALTHY;
    await pass(250);
    expect(admin()).toBe('maint');
    await reach('serving');
    expect(admin()).toBe('ready');
    expect(asked.filter((at) => at >= warmingAt).length).toBeGreaterThan(70);
  });
});

test('The status says why the latest probe was bad, before the application counts as down and after', async () => {
  await pass(5_000);
  expect(engine.status()).toMatchObject({ health: 'up', healthReason: null });
  answer = BAD;
  await pass(2_000);
  expect(engine.status()).toMatchObject({ health: 'up', healthReason: 'connection refused' });
  await pass(4_000);
  answer = { kind: 'unhealthy', reason: 'status 503' };
  await pass(2_000);
  expect(engine.status()).toMatchObject({ health: 'down', healthReason: 'status 503' });
  answer = HEALTHY;
  await pass(4_000);
  expect(engine.status()).toMatchObject({ health: 'up', healthReason: null });
});
