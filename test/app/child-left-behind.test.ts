import { describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Proof } from '../../agent/lifecycle/model/observation.ts';
import { realClock } from '../../agent/system/clock.ts';
import { startTimeOf } from '../../agent/system/process.ts';
import { launchesIn } from '../support/launch-record.ts';
import { never } from '../support/outcome.ts';
import { fixture, type Present } from '../support/fixture-reports.ts';
import { childOf, exited, exits, note, roll, startedWithWorker } from '../support/children.ts';

describe('a child that a killed sidecar has left', () => {
  /** A sidecar is killed; what it had started lives on. */
  async function orphan(...words: readonly string[]): Promise<{ app: Present; proof: Proof }> {
    const [program = '', ...args] = fixture('supervises', roll.port, note, ...words);
    const sidecar = spawn(program, args, { stdio: 'ignore' });
    const app = await roll.next();
    sidecar.kill('SIGKILL');
    await once(sidecar, 'exit');
    return { app, proof: { pid: app.pid, startTime: startTimeOf(app.pid) ?? '' } };
  }

  test('is taken up by its proof, and not started a second time', async () => {
    const { proof } = await orphan();
    const child = childOf(fixture('hangs', roll.port));
    expect(child.attach(proof)).toBe(true);
    expect(await child.stopper.check(never)).toEqual(proof);
    await child.starter.start(never);
    expect(child.proof).toEqual(proof);
  });

  test('is stopped like our own, and its exit code is unknown', async () => {
    const { app, proof } = await orphan();
    const child = childOf(fixture('hangs', roll.port));
    child.attach(proof);
    expect(await child.stopper.stop(proof, never)).toEqual({ how: 'TERM', warnings: [] });
    await app.gone;
    expect(exits).toEqual([{ code: null, signal: null, asked: true }]);
  });

  test('is stopped by its proof even when it was not taken up before', async () => {
    const { app, proof } = await orphan();
    expect(await childOf(fixture('hangs', roll.port)).stopper.stop(proof, never)).toMatchObject({
      how: 'TERM',
    });
    await app.gone;
  });

  test('is found by what was written down of its launch, also when that was before its process was known', async () => {
    for (const words of [[], ['unsaid']]) {
      const { app, proof } = await orphan(...words);
      expect(await launchesIn(note).find()).toEqual(proof);
      process.kill(app.pid, 'SIGKILL');
      await app.gone;
    }
  });

  test('is not looked for once it is known and gone: a helper that it left is another', async () => {
    const { child, master, worker } = await startedWithWorker(realClock);
    child.release();
    process.kill(master.pid, 'SIGKILL');
    await master.gone;
    expect(await launchesIn(note).find()).toMatchObject({ pid: master.pid });
    expect(child.attach((await launchesIn(note).find()) as Proof)).toBe(false);
    process.kill(worker.pid, 'SIGKILL');
  });

  test('is not found in another boot of the machine', async () => {
    await orphan();
    expect(await launchesIn(note).find()).not.toBeNull();
    expect(await launchesIn(note, 'another').find()).toBeNull();
  });

  test('is not found where nothing was launched', async () => {
    expect(await launchesIn(note).find()).toBeNull();
  });

  test('is seen to end', async () => {
    const { app, proof } = await orphan();
    const child = childOf(fixture('hangs', roll.port));
    child.attach(proof);
    process.kill(app.pid, 'SIGKILL');
    expect(await exited).toEqual({ code: null, signal: null, asked: false });
    expect(child.attach(proof)).toBe(false);
  });
});
