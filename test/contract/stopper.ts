import { describe, expect, test } from '@jest/globals';
import type { Proof } from '../../agent/lifecycle/model/observation.ts';
import type { Stopper } from '../../agent/app/contracts.ts';
import { LastcallError } from '../../agent/system/error.ts';
import { processStatus, startTimeOf } from '../../agent/system/process.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { provenBy } from '../support/proven.ts';
import type { Present } from '../support/fixture-reports.ts';

/** A running application and the driver under test that can stop it. */
export interface StoppableApp {
  readonly stopper: Stopper;
  readonly app: Present;
  /** What proves it, where that is not its start time by /proc. */
  readonly proof?: Proof;
}

export interface StopperWorld {
  /** An application that ends when it is asked to. */
  running(): Promise<StoppableApp>;
  /** A stop that cannot run: the process is not there, the program is missing. */
  impossible(): Promise<Stopper>;
  /** Does the driver know the process that it stops? */
  readonly proves: boolean;
  /** Default true. False: nothing reports whether it has gone, so the stop fails. */
  readonly takesGone?: boolean;
}

/** What every driver of a stop promises (agent/app/contracts.ts). */
export function stopperContract(name: string, world: StopperWorld): void {
  const proofOf = ({ app }: StoppableApp): Proof => ({ pid: app.pid, startTime: startTimeOf(app.pid) ?? '' });

  describe(`a stop by ${name}`, () => {
    test('proves beforehand that it can run, as often as it is asked, and touches nothing', async () => {
      const running = await world.running();
      const proof = proofOf(running);
      for (let times = 0; times < 2; times += 1) {
        const found = await running.stopper.check(never);
        const expected = running.proof ?? proof;
        // A stopper that cannot prove it has to give the reason and the next step.
        const why = { code: 'config', unproven: expect.stringContaining('app.stop.gone') };
        expect(found).toEqual(world.proves ? expected : why);
        expect(running.stopper.proves).toBe(world.proves);
      }
      expect(processStatus(proof.pid, proof.startTime)).toBe('alive');
    });

    test('says beforehand that it cannot run, and what to do', async () => {
      const stopper = await world.impossible();
      const error = await refusalOf(() => stopper.check(never));
      expect(error).toMatchObject({ code: 'app-stop', target: expect.any(String), next: expect.any(String) });
    });

    test('stops the application and says how', async () => {
      const running = await world.running();
      const proof = await provenBy(running.stopper);
      expect(running.stopper.gone(proof)).toBe(world.proves ? 'alive' : 'unknown');
      const outcome = await running.stopper.stop(proof, never);
      // A stopper that cannot prove it has to warn.
      const warnings = world.proves ? [] : [expect.stringContaining('nothing proves')];
      expect(outcome).toEqual({ how: expect.stringMatching(/\S/), warnings });
      // Not a moment before it has ended.
      if (world.proves) expect(running.stopper.gone(proof)).toBe('gone');
      await running.app.gone;
      expect(running.stopper.gone(proof)).toBe(world.proves ? 'gone' : 'unknown');
    });

    test('takes an application that has gone meanwhile for stopped', async () => {
      const running = await world.running();
      const proof = await provenBy(running.stopper);
      process.kill(running.app.pid, 'SIGKILL');
      await running.app.gone;
      const stopping = running.stopper.stop(proof, never);
      if (world.takesGone === false) await expect(stopping).rejects.toMatchObject({ code: 'app-stop' });
      else expect(await stopping).toMatchObject({ how: expect.stringMatching(/\S/) });
    });

    test('proves nothing without a proof', async () => {
      const { stopper } = await world.running();
      expect(stopper.gone(null)).toBe('unknown');
    });

    test('does nothing when it is aborted before', async () => {
      const running = await world.running();
      const proof = proofOf(running);
      const reason = new LastcallError('cancelled', 'not wanted any more');
      const aborted = AbortSignal.abort(reason);
      await expect(running.stopper.check(aborted)).rejects.toBe(reason);
      await expect(running.stopper.stop(proof, aborted)).rejects.toBe(reason);
      expect(processStatus(proof.pid, proof.startTime)).toBe('alive');
    });
  });
}
