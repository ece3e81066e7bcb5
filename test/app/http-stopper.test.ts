import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { GoneConfig } from '../../agent/config/config.ts';
import { createStopper } from '../../agent/app/create.ts';
import { createRunningStopRecord } from '../../agent/app/running-stop-record.ts';
import type { Stopper } from '../../agent/app/contracts.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { stopperContract } from '../contract/stopper.ts';
import { freePort } from '../support/ports.ts';
import { naming } from '../support/naming.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { provenBy } from '../support/proven.ts';
import { fixture, openRollCall, type Present, type RollCall } from '../support/fixture-reports.ts';
import { spawnQuiet } from '../support/spawn-quiet.ts';

let roll: RollCall;
beforeEach(async () => void (roll = await openRollCall()));
afterEach(() => roll.close());

interface Options {
  readonly timeoutMs?: number;
  readonly token?: string;
  readonly stops?: ReturnType<typeof createRunningStopRecord>;
}

const stopperOf = (port: number, gone: GoneConfig | null, options: Options = {}): Stopper => {
  const { timeoutMs = 30_000, token = 'right', stops } = options;
  const url = `http://127.0.0.1:${port}/shutdown?secret=1`;
  const config = { kind: 'http', url, headers: { 'X-Token': token }, timeoutMs, gone } as const;
  return createStopper(config, {
    ...naming(realClock),
    searchPath: '/usr/bin:/bin',
    ...(stops ? { stops } : {}),
  });
};
const app = async (how: 'answers' | 'silent' | 'refuses', ms = 0): Promise<Present & { port: number }> => {
  spawnQuiet(fixture('shuts-down', roll.port, how, ms));
  const present = await roll.next();
  return { ...present, port: Number(present.note) };
};

stopperContract('a POST', {
  proves: false,
  running: async () => {
    const running = await app('answers');
    return { app: running, stopper: stopperOf(running.port, null) };
  },
  impossible: async () => stopperOf(await freePort(), null),
  // Nothing but its answer reports it, and without a server there is none.
  takesGone: false,
});
stopperContract('a POST, and a port that proves the end', {
  proves: true,
  running: async () => {
    const running = await app('answers', 300);
    return { app: running, stopper: stopperOf(running.port, { kind: 'port', port: running.port }) };
  },
  impossible: async () => stopperOf(await freePort(), { kind: 'port', port: 1 }),
});

describe('A stop over HTTP', () => {
  test('of an application that ends before it has answered is over when it has ended', async () => {
    const running = await app('silent', 50);
    const stopper = stopperOf(running.port, { kind: 'port', port: running.port });
    const proof = await provenBy(stopper);
    expect(await stopper.stop(proof, never)).toEqual({ how: 'http', warnings: [] });
    expect(stopper.gone(proof)).toBe('gone');
  });

  test('without an answer and without a proof is a failure that names what was asked, and no secret', async () => {
    const running = await app('silent', 50);
    const error = await refusalOf(async () => stopperOf(running.port, null).stop(null, never));
    expect(error).toMatchObject({ code: 'app-stop', target: `http://127.0.0.1:${running.port}/shutdown` });
    expect(error.message).toContain('has no answer');
    expect(JSON.stringify(error)).not.toMatch(/secret|right/);
  });

  test.each([
    ['is refused', 'refuses', 'right'],
    ['has the wrong header', 'answers', 'wrong'],
  ] as const)('that %s tells the status, and nothing is waited for', async (_what, how, token) => {
    const running = await app(how);
    const stopper = stopperOf(running.port, { kind: 'port', port: running.port }, { token });
    const error = await refusalOf(async () => stopper.stop(await provenBy(stopper), never));
    expect(error.message).toContain('answered 403');
  });

  test('whose application lives on at the end of its time fails with the number of its process', async () => {
    const running = await app('answers', 60_000);
    const stopper = stopperOf(running.port, { kind: 'port', port: running.port }, { timeoutMs: 500 });
    const error = await refusalOf(async () => stopper.stop(await provenBy(stopper), never));
    expect(error).toMatchObject({ code: 'app-stop', target: `process ${running.pid}` });
  });

  test('may not be sent again, and the next sidecar waits for what it was to end', async () => {
    let note: unknown = null;
    const noteFile = { load: async () => note, save: async (next: object) => void (note = next) };
    const ports = { clock: realClock, bootId: 'boot', onWarning: (text: string) => expect(text).toBe('') };
    const running = await app('silent', 800);
    const gone = { kind: 'port', port: running.port } as const;
    const stopper = stopperOf(running.port, gone, { stops: createRunningStopRecord(noteFile, ports) });
    const proof = await provenBy(stopper);
    const reason = new LastcallError('cancelled', 'the sidecar ends');
    const controller = new AbortController();
    const stopping = refusalOf(() => stopper.stop(proof, controller.signal));
    expect((await roll.next()).note).toBe('asked');
    controller.abort(reason);
    expect(await stopping).toBe(reason);
    const next = stopperOf(running.port, gone, { stops: createRunningStopRecord(noteFile, ports) });
    expect(next.isIdempotent).toBe(false);
    await next.rejoin?.(never);
    expect(next.gone(proof)).toBe('gone');
  });
});
