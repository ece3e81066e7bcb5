import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { createLocalClient } from '../../agent/cli/local-client.ts';
import { askUntilDone, SIDECAR_MS } from '../../agent/cli/ask-until-done.ts';
import type { SidecarSubstitute } from '../../agent/cli/open-substitute.ts';
import type { ProgressListener } from '../../agent/cli/wait-for-result.ts';
import { createClient } from '../../agent/control/client.ts';
import type { RequestBody } from '../../agent/control/protocol.ts';
import { type ControlServer, openControl } from '../../agent/control/server.ts';
import { type Clock, realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ready, type ScriptedService, createScriptedService } from '../support/scripted-service.ts';
import { type TempDir, makeTempDir } from '../support/tempdir.ts';

const never = new AbortController().signal;

describe('A caller who ends the application whatever is answered', () => {
  let dir: TempDir;
  let path: string;
  let service: ScriptedService;
  let control: ControlServer | undefined;
  let seen: string[];

  const open = async (): Promise<void> => {
    control = await openControl({ path, mode: 0o600, group: null }, { service, clock: realClock, ready });
  };
  beforeEach(async () => {
    dir = await makeTempDir();
    path = join(dir.path, 'app1.sock');
    service = createScriptedService();
    seen = [];
    substitute = null;
  });
  afterEach(async () => {
    await control?.close();
    control = undefined;
    await dir.remove();
  });

  /** Writes down why it is asked again; `onAccepted` and `onAgain` run then. */
  function listener(onAccepted: () => void, onAgain: () => void = () => undefined): ProgressListener {
    return {
      accepted: onAccepted,
      status: () => undefined,
      disconnected: () => undefined,
      reconnected: () => undefined,
      again: (why) => {
        seen.push(why);
        onAgain();
      },
    };
  }
  let substitute: SidecarSubstitute['open'] | null = null;
  const ask = (words: Partial<RequestBody>, on: ProgressListener, clock: Clock = realClock, signal = never) =>
    askUntilDone(
      createClient(path, clock),
      { operation: 'drain', noRefuse: true, timeout: '60s', ...words },
      on,
      { clock, substitute },
      signal,
    );

  test('waits for a sidecar that is away', async () => {
    const end = ask(
      {},
      listener(
        () => service.finish('done'),
        () => void open(),
      ),
    );
    expect(await end).toMatchObject({ code: 'done' });
    expect(seen).toEqual([expect.stringContaining('there is no such socket')]);
  });

  test('asks again after a refusal, and once something else has given the operation up', async () => {
    await open();
    service.refuseNext('held', 'app/app1 is held by an operator');
    let times = 0;
    const end = ask(
      {},
      listener(() => service.finish(times++ === 0 ? 'cancelled' : 'done', { ok: times === 2 })),
    );
    expect(await end).toMatchObject({ code: 'done' });
    expect(seen).toEqual(['app/app1 is held by an operator', 'cancelled']);
    // One time for all attempts.
    const [first, , third] = service.requests;
    expect(first?.timeoutMs).toBe(60_000);
    expect(third?.timeoutMs).toBeLessThanOrEqual(60_000);
  });

  test('takes the decision of the operation’s own deadline, and asks for no second stop of unknown outcome', async () => {
    await open();
    const deadline = ask(
      {},
      listener(() => service.finish('deadline', { ok: false })),
    );
    expect(await deadline).toMatchObject({ code: 'deadline' });
    const stop = ask(
      { operation: 'stop' },
      listener(() => service.finish('app-stop', { ok: false })),
    );
    expect(await stop).toMatchObject({ code: 'app-stop' });
    expect(seen).toEqual([]);
  });

  test.each(['config', 'no-such-server', 'not-permitted', 'usage', 'interrupted'] as const)(
    'takes %s for an answer: asking again changes nothing of it',
    async (code) => {
      await open();
      service.refuseNext(code, 'because');
      expect(
        await ask(
          {},
          listener(() => service.finish('done')),
        ),
      ).toMatchObject({ code });
      expect(seen).toEqual([]);
      expect(service.requests).toHaveLength(1);
    },
  );

  test('gives up with the last reason once the time of the request is over, and not before', async () => {
    const clock = new ManualClock();
    let error: unknown;
    void ask(
      {},
      listener(() => undefined),
      clock,
    ).catch((thrown: unknown) => (error = thrown));
    const began = clock.now();
    while (error === undefined) {
      clock.advance(1_000);
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    }
    expect(error).toMatchObject({ code: 'agent-unreachable' });
    expect(clock.now() - began).toBeGreaterThanOrEqual(60_000);
    expect(clock.now() - began).toBeLessThan(70_000);
  });

  /** Time goes on until the promise is settled. */
  async function whileTimeGoes<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => void (isOver = true);
    work.then(over, over);
    while (!isOver) {
      clock.advance(500);
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    }
    return work;
  }

  test('stands in for a sidecar that has not answered for 30 seconds, once it can', async () => {
    const clock = new ManualClock();
    const tried: number[] = [];
    substitute = () => {
      tried.push(clock.now());
      if (tried.length === 1) throw new LastcallError('busy', 'another sidecar already runs');
      return Promise.resolve(createLocalClient(service));
    };
    const began = clock.now();
    const result = await whileTimeGoes(
      clock,
      ask(
        { timeout: '30m' },
        listener(() => service.finish('done')),
        clock,
      ),
    );
    expect(result).toMatchObject({ code: 'done' });
    expect((tried[0] ?? 0) - began).toBeGreaterThanOrEqual(SIDECAR_MS);
    expect((tried[1] ?? 0) - began).toBeLessThan(SIDECAR_MS + 15_000);
    expect(seen).toContain('its work cannot be done without it either: another sidecar already runs');
  });

  test('stands in for a sidecar that was lost in the middle of the operation', async () => {
    await open();
    const clock = new ManualClock();
    let lost = 0;
    substitute = () => {
      expect(clock.now() - lost).toBeGreaterThanOrEqual(SIDECAR_MS);
      return Promise.resolve(createLocalClient(service));
    };
    const first = listener(() => {
      if (control === undefined) return service.finish('done');
      lost = clock.now();
      void control.close();
      control = undefined;
    });
    expect(await whileTimeGoes(clock, ask({ timeout: '30m' }, first, clock))).toMatchObject({ code: 'done' });
    // This clock runs ahead of the sockets; the sidecar would have been waited for during half an hour.
    expect(clock.now() - lost).toBeLessThan(10 * SIDECAR_MS);
  });

  test('ends at once with the reason of its signal', async () => {
    const aborter = new AbortController();
    const reason = new LastcallError('interrupted', 'enough');
    const on = listener(
      () => undefined,
      () => aborter.abort(reason),
    );
    await expect(ask({}, on, realClock, aborter.signal)).rejects.toBe(reason);
  });
});
