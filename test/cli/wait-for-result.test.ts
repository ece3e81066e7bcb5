import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { MARGIN_MS, type ProgressListener, waitForResult } from '../../agent/cli/wait-for-result.ts';
import { createClient } from '../../agent/control/client.ts';
import { type ControlServer, openControl } from '../../agent/control/server.ts';
import type { OperationKind } from '../../agent/lifecycle/model/api.ts';
import { type Clock, realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ready, type ScriptedService, createScriptedService } from '../support/scripted-service.ts';
import { type TempDir, makeTempDir } from '../support/tempdir.ts';

const never = new AbortController().signal;

describe('Waiting for the end of an operation', () => {
  let dir: TempDir;
  let path: string;
  let service: ScriptedService;
  let control: ControlServer;
  let seen: string[];

  const open = async (): Promise<void> => {
    control = await openControl({ path, mode: 0o600, group: null }, { service, clock: realClock, ready });
  };

  beforeEach(async () => {
    dir = await makeTempDir();
    path = join(dir.path, 'app1.sock');
    service = createScriptedService();
    seen = [];
    await open();
  });
  afterEach(async () => {
    await control.close();
    await dir.remove();
  });

  /** Records its calls; `on` runs at that call. */
  function listener(
    on: Partial<Record<'accepted' | 'disconnected' | 'reconnected', () => void>> = {},
  ): ProgressListener {
    const note = (what: string): void => void seen.push(what);
    return {
      accepted: (_id, joined) => {
        note(joined ? 'joined' : 'accepted');
        on.accepted?.();
      },
      status: ({ phase, sessions }) => note(`${phase} ${sessions.total}`),
      disconnected: () => {
        note('disconnected');
        on.disconnected?.();
      },
      reconnected: () => {
        note('reconnected');
        on.reconnected?.();
      },
      again: () => note('again'),
    };
  }

  const wait = (
    more: {
      listener?: ProgressListener;
      clock?: Clock;
      signal?: AbortSignal;
      operation?: OperationKind;
    } = {},
  ) => {
    const clock = more.clock ?? realClock;
    const client = createClient(path, clock);
    return waitForResult(
      client,
      { operation: more.operation ?? 'stop' },
      more.listener ?? listener(),
      clock,
      more.signal ?? never,
    );
  };

  test('shows what happens and ends with the result', async () => {
    const end = wait({
      listener: listener({ accepted: () => service.finish('done', { phase: 'stopped' }) }),
    });
    expect(await end).toMatchObject({ code: 'done', operation: 'stop' });
    expect(seen).toEqual(['serving 0', 'accepted', 'draining 0', 'stopped 0']);
  });

  test('misses no result, however soon it comes', async () => {
    const early: ScriptedService = {
      ...service,
      async submit(request) {
        const submitted = await service.submit(request);
        service.finish('done');
        return submitted;
      },
    };
    await control.close();
    control = await openControl(
      { path, mode: 0o600, group: null },
      { service: early, clock: realClock, ready },
    );
    expect(await wait()).toMatchObject({ code: 'done' });
  });

  test('gives a refusal at once', async () => {
    service.refuseNext('held', 'app/app1 is held by an operator');
    expect(await wait()).toMatchObject({ code: 'held' });
  });

  test('gives each caller who joined a result of its own for the same end', async () => {
    const all = Promise.all([wait(), wait(), wait()]);
    await service.submitted(3);
    service.finish('done');
    const results = await all;
    expect(new Set(results.map(({ id }) => id)).size).toBe(3);
    expect(results.map(({ code }) => code)).toEqual(['done', 'done', 'done']);
    expect(seen.filter((what) => what === 'joined')).toHaveLength(2);
  });

  test('does not wait for a sidecar that goes down with a reboot that has begun', async () => {
    const begun = listener({
      accepted: () => {
        service.show('stopped', 0);
        void control.close();
      },
    });
    await expect(wait({ listener: begun, operation: 'reboot' })).rejects.toMatchObject({
      code: 'interrupted',
    });
  });

  test('waits for one that goes away before that', async () => {
    const end = wait({
      operation: 'reboot',
      listener: listener({
        accepted: () => {
          service.show('draining', 0);
          void control.close();
        },
        disconnected: () => void open(),
        reconnected: () => service.finish('done'),
      }),
    });
    expect(await end).toMatchObject({ code: 'done' });
  });

  test('survives a restart of the sidecar', async () => {
    const end = wait({
      listener: listener({
        accepted: () => void control.close(),
        disconnected: () => void open(),
        reconnected: () => service.finish('done', { phase: 'stopped' }),
      }),
    });
    expect(await end).toMatchObject({ code: 'done' });
    expect(seen.filter((what) => what === 'disconnected' || what === 'reconnected')).toEqual([
      'disconnected',
      'reconnected',
    ]);
  });

  test('learns of a result that was given while the sidecar could not be heard', async () => {
    const end = wait({
      listener: listener({
        accepted: () => void control.close(),
        disconnected: () => {
          service.finish('cancelled');
          void open();
        },
      }),
    });
    expect(await end).toMatchObject({ code: 'cancelled' });
    expect(seen).not.toContain('reconnected');
  });

  test('is in doubt when the sidecar comes back and has forgotten the operation', async () => {
    const end = wait({
      listener: listener({
        accepted: () => void control.close(),
        disconnected: () => {
          service = createScriptedService();
          void open();
        },
      }),
    });
    await expect(end).rejects.toMatchObject({
      code: 'in-doubt',
      next: expect.stringContaining('lastcall status'),
    });
  });

  test('ends 69 when the sidecar does not come back within the deadline and a margin, and not before', async () => {
    const clock = new ManualClock();
    let error: unknown;
    const end = wait({ clock, listener: listener({ accepted: () => void control.close() }) }).catch(
      (thrown: unknown) => {
        error = thrown;
      },
    );
    while (!seen.includes('disconnected')) await new Promise(setImmediate);
    // The status shows 60 s left.
    const patienceMs = 60_000 + MARGIN_MS;
    const began = clock.now();
    while (clock.now() < began + patienceMs - 10_000) await step(clock);
    expect(error).toBeUndefined();
    while (error === undefined) await step(clock);
    await end;
    expect(error).toMatchObject({ code: 'agent-unreachable', next: expect.stringContaining('resumes') });
    expect(clock.now() - began).toBeLessThanOrEqual(patienceMs + 10_000);
  });

  test('does not wait for ever for a sidecar that lives and gives no result', async () => {
    const clock = new ManualClock();
    const client = createClient(path, realClock);
    const end = waitForResult(client, { operation: 'stop' }, listener(), clock, never);
    while (!seen.includes('draining 0')) await new Promise(setImmediate);
    clock.advance(60_000 + MARGIN_MS);
    await expect(end).rejects.toMatchObject({
      code: 'agent-unreachable',
      message: expect.stringContaining('overdue'),
    });
  });

  test('ends at once with the reason of its signal', async () => {
    const aborter = new AbortController();
    const reason = new LastcallError('interrupted', 'enough');
    const end = wait({
      signal: aborter.signal,
      listener: listener({ accepted: () => aborter.abort(reason) }),
    });
    await expect(end).rejects.toBe(reason);
  });

  test('fails at once when there is no sidecar to begin with', async () => {
    await control.close();
    await expect(wait()).rejects.toMatchObject({ code: 'agent-unreachable' });
    expect(seen).toEqual([]);
  });

  /** A second passes, and sockets get their turn. */
  async function step(clock: ManualClock): Promise<void> {
    clock.advance(1_000);
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  }
});
