import { afterEach, beforeEach } from '@jest/globals';
import { join } from 'node:path';
import type { Proof } from '../../agent/lifecycle/model/observation.ts';
import { createChild, type Child, type ChildExit } from '../../agent/app/child.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { startTimeOf } from '../../agent/system/process.ts';
import { launchesIn } from './launch-record.ts';
import { never } from './outcome.ts';
import { fixture, openRollCall, type Present, type RollCall } from './fixture-reports.ts';
import { makeTempDir, type TempDir } from './tempdir.ts';

/** Children of `run -- COMMAND`, each with a file that notes its launch. */

export let roll: RollCall;
let temp: TempDir;

/** What the children write down of their launches. */
export let note: string;
let children: Child[];

/** The calls of `onExit`, and a way to wait for the next one. */
export let exits: ChildExit[];
export let exited: Promise<ChildExit>;

beforeEach(async () => {
  roll = await openRollCall();
  temp = await makeTempDir();
  note = join(temp.path, 'child.json');
  children = [];
  exits = [];
});

afterEach(async () => {
  for (const child of children) child.release();
  await roll.close();
  await temp.remove();
});

export const childOf = (command: readonly string[], clock: Clock = realClock): Child => {
  let told: (exit: ChildExit) => void = () => undefined;
  exited = new Promise((resolve) => (told = resolve));
  const child = createChild(
    { command, signalName: 'SIGTERM', killAfterMs: 30_000 },
    {
      clock,
      searchPath: '/usr/bin:/bin',
      env: process.env,
      launchRecord: launchesIn(note),
      onExit: (exit) => {
        exits.push(exit);
        told(exit);
      },
    },
  );
  children.push(child);
  return child;
};

export const started = async (
  name: string,
  args: readonly (string | number)[] = [],
  clock: Clock = realClock,
): Promise<{ child: Child; app: Present; proof: Proof }> => {
  const child = childOf(fixture(name, roll.port, ...args), clock);
  await child.starter.start(never);
  const app = await roll.next();
  return { child, app, proof: { pid: app.pid, startTime: startTimeOf(app.pid) ?? '' } };
};

/** A master and its worker, which ignores SIGTERM, in whatever order they report. */
export const startedWithWorker = async (
  clock: Clock,
): Promise<{ child: Child; master: Present; worker: Present }> => {
  const { child, app } = await started('keeps-a-worker', [], clock);
  const other = await roll.next();
  const [master, worker] = app.note === 'master' ? [app, other] : [other, app];
  return { child, master, worker };
};
