import { describe, expect, test } from '@jest/globals';
import type { Probe } from '../../agent/probes/probe.ts';
import type { Clock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { realClock } from '../../agent/system/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never } from '../support/outcome.ts';
import { driven } from '../support/driven.ts';

/** The same driver against three applications; each test is given a new one. */
export interface ProbeWorld {
  healthy(clock: Clock): Promise<Probe>;
  /** No server is there to be asked. */
  absent(clock: Clock): Promise<Probe>;
  /** A server that never answers; the probe's own timeout is below a minute. */
  silent(clock: Clock): Promise<Probe>;
}

/** What every driver of a probe promises (agent/probes/probe.ts). */
export function probeContract(name: string, world: ProbeWorld): void {
  describe(`a probe by ${name}`, () => {
    test('says healthy of a healthy application, as often as it is asked', async () => {
      const probe = await world.healthy(realClock);
      for (let times = 0; times < 3; times += 1) expect(await probe.ask(never)).toEqual({ kind: 'healthy' });
    });

    test('says unhealthy and why, and does not throw, when nothing is there', async () => {
      const answer = await (await world.absent(realClock)).ask(never);
      expect(answer).toEqual({ kind: 'unhealthy', reason: expect.stringMatching(/\S/) });
    });

    test('says unhealthy and why at its own timeout when nothing answers', async () => {
      const clock = new ManualClock();
      const began = clock.now();
      const answer = await driven(clock, (await world.silent(clock)).ask(never));
      expect(answer).toEqual({ kind: 'unhealthy', reason: expect.stringMatching(/within \d+ ms/) });
      expect(clock.now() - began).toBeLessThan(60_000);
    });

    test('ends with the reason when it is aborted, before and during', async () => {
      const reason = new LastcallError('cancelled', 'not wanted any more');
      const probe = await world.silent(realClock);
      await expect(probe.ask(AbortSignal.abort(reason))).rejects.toBe(reason);
      const abort = new AbortController();
      const asking = probe.ask(abort.signal);
      setImmediate(() => abort.abort(reason));
      await expect(asking).rejects.toBe(reason);
    });
  });
}
