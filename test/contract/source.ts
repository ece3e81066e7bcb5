import { describe, expect, test } from '@jest/globals';
import type { Source } from '../../agent/sessions/source.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { driven } from '../support/driven.ts';

/** The same driver against an application with so many users, one that is not there, and one that never answers. */
export interface SourceWorld {
  counting(users: number, clock: Clock): Promise<Source>;
  absent(clock: Clock): Promise<Source>;
  silent(clock: Clock): Promise<Source>;
  /** Which numbers of users it can have; default: any. */
  readonly numbers?: readonly number[];
}

const ANY = [0, 1, 37, Number.MAX_SAFE_INTEGER];

/** What every driver of a source promises (agent/sessions/source.ts). */
export function sourceContract(name: string, world: SourceWorld): void {
  describe(`a source by ${name}`, () => {
    test.each([...(world.numbers ?? ANY)])('counts %i users, as often as it is asked', async (users) => {
      const source = await world.counting(users, realClock);
      expect(source.name).not.toBe('');
      expect(await source.count(never)).toBe(users);
      expect(await source.count(never)).toBe(users);
    });

    test('does not know, and says why and what to do, when nothing is there', async () => {
      const source = await world.absent(realClock);
      const error = await refusalOf(() => source.count(never));
      expect(error).toMatchObject({ code: 'failed', target: expect.any(String), next: expect.any(String) });
      expect(error.elapsedMs).toBeGreaterThanOrEqual(0);
    });

    test('does not know at its own timeout when nothing answers', async () => {
      const clock = new ManualClock();
      const source = await world.silent(clock);
      const began = clock.now();
      const error = await driven(
        clock,
        refusalOf(() => source.count(never)),
      );
      expect(error.code).toBe('failed');
      expect(error.message).toMatch(/within \d+ ms/);
      expect(clock.now() - began).toBeLessThan(60_000);
    });

    test('ends with the reason when it is aborted, before and during', async () => {
      const reason = new LastcallError('cancelled', 'not wanted any more');
      const source = await world.silent(realClock);
      await expect(source.count(AbortSignal.abort(reason))).rejects.toBe(reason);
      const abort = new AbortController();
      const counting = source.count(abort.signal);
      setImmediate(() => abort.abort(reason));
      await expect(counting).rejects.toBe(reason);
    });
  });
}
