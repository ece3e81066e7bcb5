import { describe, expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { againAfterReload, reloadError } from '../../agent/haproxy/spoilt-by-reload.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never } from '../support/outcome.ts';

const spoilt = reloadError('unix:/h.sock: HAProxy was reloaded while it was asked', {
  target: 'unix:/h.sock',
});

/** @param answers what each attempt gives or throws; the last one stands for all that follow */
function asked(answers: readonly (string | Error)[], signal: AbortSignal = never) {
  const clock = new ManualClock();
  let attempts = 0;
  const outcome = againAfterReload(clock, signal, () => {
    const answer = answers[Math.min(attempts, answers.length - 1)];
    attempts += 1;
    return typeof answer === 'string' ? Promise.resolve(answer) : Promise.reject(answer);
  }).catch((error: unknown) => error);
  const pass = async (total: number): Promise<void> => {
    for (let passed = 0; passed < total; passed += 10) {
      await turn();
      clock.advance(10);
      await turn();
    }
  };
  return { outcome, pass, attempts: () => attempts };
}

describe('A question that a reload has spoilt', () => {
  test('is asked again until it is answered', async () => {
    const { outcome, pass, attempts } = asked([spoilt, spoilt, 'an answer']);
    await pass(200);
    expect([await outcome, attempts()]).toEqual(['an answer', 3]);
  });

  test('is an error at the deadline: the next worker may never come', async () => {
    const { outcome, pass, attempts } = asked([spoilt]);
    await pass(2_100);
    expect([await outcome, attempts()]).toEqual([
      expect.objectContaining({ message: spoilt.message, target: spoilt.target, elapsedMs: 2_000 }),
      41,
    ]);
  });

  test('is asked no more once its caller has gone', async () => {
    const caller = new AbortController();
    const { outcome, pass, attempts } = asked([spoilt], caller.signal);
    await pass(20);
    caller.abort(new LastcallError('interrupted', 'enough'));
    await pass(500);
    expect([await outcome, attempts()]).toEqual([expect.objectContaining({ code: 'interrupted' }), 1]);
  });

  test('is asked once where the reason is another one', async () => {
    const refused = new LastcallError('balancer-unreachable', 'ECONNREFUSED');
    const { outcome, attempts } = asked([refused, 'an answer']);
    expect([await outcome, attempts()]).toEqual([refused, 1]);
  });
});
