import { beforeEach, describe, expect, test } from '@jest/globals';
import type { PhaseHookConfig } from '../../agent/config/hooks-config.ts';
import type { PhaseChange, PhaseHook, PhaseHookPorts } from '../../agent/hooks/phase-hook.ts';
import type { Status } from '../../agent/lifecycle/model/api.ts';
import { OWN_TERMS } from '../../agent/lifecycle/model/policy.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { createLabelledCounts } from '../../agent/system/labelled-counts.ts';
import { openPhaseHooks, type HookCounts, type PhaseHooks } from '../../agent/telemetry/phase-hooks.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryLog, type MemoryLog } from '../support/memory-log.ts';
import { createScriptedService, type ScriptedService } from '../support/scripted-service.ts';

/** A hook that does what the test says, and keeps what it is told. */
interface Recorded {
  readonly config: PhaseHookConfig;
  /** The phase in which it was when the hooks began. */
  readonly begins: PhaseChange[];
  readonly changes: PhaseChange[];
  readonly onOutcome: PhaseHookPorts['onOutcome'];
  ends: () => void;
}

const hookOn = (program: string): PhaseHookConfig => ({
  kind: 'command',
  command: [program],
  timeoutMs: 1_000,
  on: ['drained'],
});

let inner: ScriptedService;
let clock: ManualClock;
let log: MemoryLog;
let runs: HookCounts;
let configs: readonly PhaseHookConfig[];
let made: Recorded[];
let hooks: PhaseHooks;
beforeEach(() => {
  inner = createScriptedService();
  clock = new ManualClock();
  log = memoryLog();
  runs = createLabelledCounts();
  configs = [hookOn('page')];
  made = [];
  const create = (config: PhaseHookConfig, onOutcome: PhaseHookPorts['onOutcome']): PhaseHook => {
    const mine: Recorded = { config, onOutcome, begins: [], changes: [], ends: () => undefined };
    made.push(mine);
    return {
      name: 'page',
      tell: (change) => void (change.previous === null ? mine.begins : mine.changes).push(change),
      ended: (signal) =>
        new Promise((resolve) => {
          mine.ends = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        }),
    };
  };
  hooks = openPhaseHooks(inner, { clock, log, runs, configs: () => configs, create });
});

const first = (): Recorded => {
  const [one] = made;
  if (!one) throw new Error('no hook was made');
  return one;
};
const drain = () =>
  hooks.service.submit({ ...OWN_TERMS, id: 'op1', kind: 'drain', reason: 'deploy', by: 'test' });
const alarms = (): readonly string[] => hooks.service.status().alarms;

describe('A hook is called', () => {
  test('the phase in which the sidecar begins, once', () => {
    expect(first().begins).toMatchObject([{ phase: 'serving', previous: null, operation: null }]);
    inner.show('draining', 1);
    configs = [...configs, hookOn('other')];
    inner.show('drained', 0);
    expect(made.map(({ begins }) => begins.length)).toEqual([1, 0]);
  });

  test('each change once, with the operation that is under way', async () => {
    await drain();
    inner.show('draining', 3);
    inner.show('draining', 2);
    inner.show('settling', 0);
    expect(first().changes).toMatchObject([
      { previous: 'serving', phase: 'draining', sessions: 0, operation: { id: 'op1', operation: 'drain' } },
      { previous: 'draining', phase: 'settling', sessions: 0, operation: { id: 'op1' } },
    ]);
    await expect(first().changes[0]?.code).resolves.toBeNull();
  });

  test('the code of the operation that ends with a change, as soon as it is known', async () => {
    await drain();
    inner.finish('done', { phase: 'drained' });
    const [, change] = first().changes;
    expect(change).toMatchObject({ phase: 'drained', operation: { id: 'op1', reason: 'deploy' } });
    await expect(change?.code).resolves.toBe('done');
    inner.show('serving', 1);
    expect(first().changes[2]).toMatchObject({ phase: 'serving', operation: null });
    await expect(first().changes[2]?.code).resolves.toBeNull();
  });

  test('without a code, where the result does not come in time', async () => {
    await drain();
    inner.refuseNext('busy', 'x');
    const operation = null;
    const status: Status = { ...inner.status(), phase: 'drained', operation };
    let told: PhaseChange | undefined;
    // The disk hangs: the operation has ended, and its result is not out.
    const silent = openPhaseHooks(
      {
        ...inner,
        result: () => 'running',
        status: () => inner.status(),
        watch: (listener) => ((listen = listener), () => undefined),
      },
      {
        clock,
        log,
        runs,
        configs: () => configs,
        create: () => ({ name: 'x', tell: (change) => void (told = change), ended: async () => undefined }),
      },
    );
    listen?.status(status);
    expect(told?.previous).toBe('draining');
    expect(told).toMatchObject({ phase: 'drained', operation: { id: 'op1' } });
    clock.advance(12_000);
    await expect(told?.code).resolves.toBeNull();
    await silent.close();
  });
  let listen: Parameters<ScriptedService['watch']>[0] | undefined;

  test('nothing when an engine that follows another one looks where the node is', () => {
    inner.show('recovering', null);
    inner.show('serving', 1);
    expect(first().changes).toEqual([]);
    inner.show('starting', null);
    inner.show('unhealthy', 1);
    expect(first().changes).toMatchObject([{ previous: 'serving', phase: 'unhealthy' }]);
  });
});

describe('A failure', () => {
  test('is in the log, counted, and an alarm until the hook is called again with success', () => {
    const seen: (readonly string[])[] = [];
    hooks.service.watch({ status: (status) => void seen.push(status.alarms), result: () => undefined });
    inner.show('drained', 0);
    const [change] = first().changes;
    if (!change) throw new Error('not told');
    first().onOutcome('failed', change, new LastcallError('failed', '`page` failed: exit code 3'));
    const alarm = 'hooks[0] was not called for drained: `page` failed: exit code 3';
    expect(alarms()).toEqual([alarm]);
    expect(seen.at(-1)).toEqual([alarm]);
    expect(log.records.at(-1)).toMatchObject({
      level: 'warn',
      fields: { hook: 'hooks[0]', phase: 'drained' },
    });
    first().onOutcome('done', change, null);
    expect(alarms()).toEqual([]);
    expect(seen.at(-1)).toEqual([]);
    expect(runs.samples()).toEqual([
      [{ hook: 'hooks[0]', outcome: 'failed' }, 1],
      [{ hook: 'hooks[0]', outcome: 'done' }, 1],
    ]);
  });

  test('is an alarm for an hour, where the hook is not called again', () => {
    inner.show('failed', 0);
    const [change] = first().changes;
    if (!change) throw new Error('not told');
    first().onOutcome('failed', change, new Error('no'));
    clock.advance(3_599_999);
    first().onOutcome('failed', change, new Error('no'));
    clock.advance(3_599_999);
    expect(alarms()).toHaveLength(1);
    clock.advance(1);
    expect(alarms()).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test('of 10,000 changes that a hook is too slow for is two lines in the log', () => {
    inner.show('drained', 0);
    const [change] = first().changes;
    if (!change) throw new Error('not told');
    for (let index = 0; index < 10_000; index += 1) first().onOutcome('dropped', change, null);
    expect(alarms()).toEqual(['hooks[0] was not called for drained: it is too slow']);
    first().onOutcome('done', change, null);
    expect(alarms()).toEqual([]);
    const warned = log.records.filter(({ level }) => level === 'warn');
    expect(warned.map(({ fields }) => fields)).toEqual([
      { hook: 'hooks[0]', phase: 'drained' },
      { hook: 'hooks[0]', dropped: 10_000 },
    ]);
    expect(runs.samples()[0]).toEqual([{ hook: 'hooks[0]', outcome: 'dropped' }, 10_000]);
  });
});

describe('A configuration that is read again', () => {
  test('keeps the hook that is as before, and tells the new one from the next change on', () => {
    configs = [hookOn('page'), hookOn('tell')];
    inner.show('drained', 0);
    expect(made).toHaveLength(2);
    expect(made.map(({ changes }) => changes.length)).toEqual([1, 1]);
  });

  test('ends the alarm of a hook that has left as soon as it is in use, without a change of the phase', () => {
    inner.show('drained', 0);
    const [change] = first().changes;
    if (!change) throw new Error('not told');
    first().onOutcome('failed', change, new Error('no'));
    const seen: (readonly string[])[] = [];
    hooks.service.watch({ status: (status) => void seen.push(status.alarms), result: () => undefined });
    configs = [hookOn('mended')];
    inner.show('recovering', null);
    expect(alarms()).toEqual([]);
    expect(seen.at(-1)).toEqual([]);
    inner.show('drained', 0);
    expect(made.map(({ changes }) => changes.length)).toEqual([1, 0]);
  });

  test('ends the alarm of a hook that has left, which goes on with what it has', async () => {
    inner.show('drained', 0);
    const [change] = first().changes;
    if (!change) throw new Error('not told');
    first().onOutcome('failed', change, new Error('no'));
    configs = [];
    inner.show('serving', 0);
    expect(alarms()).toEqual([]);
    first().onOutcome('failed', change, new Error('again'));
    expect(alarms()).toEqual([]);
    expect(first().changes).toHaveLength(1);
    const closing = hooks.close();
    clock.advance(5_000);
    await closing;
  });
});

test('At the end the hooks have five seconds', async () => {
  inner.show('drained', 0);
  let isClosed = false;
  const [change] = first().changes;
  if (!change) throw new Error('not told');
  const closing = hooks.close().then(() => (isClosed = true));
  first().onOutcome('failed', change, new Error('ended'));
  clock.advance(4_999);
  await Promise.resolve();
  expect(isClosed).toBe(false);
  inner.show('serving', 0);
  expect(first().changes).toHaveLength(1);
  clock.advance(1);
  await closing;
  expect(clock.pending).toBe(0);
});
