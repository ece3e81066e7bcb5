import { expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { playCrashes } from '../support/crash/campaign.ts';
import { allPoints, type KillPoint } from '../support/crash/points.ts';
import { mutated, programOf } from '../support/mutants/mutant.ts';
import { MUTANTS } from '../support/mutants/table.ts';
import { packageRoot } from '../support/sample.ts';

/** A fault put into a copy of lastcall on purpose: the crash campaign (crash.long.ts) has to find it. */

type Choice = (point: KillPoint) => boolean;

/** Where each is looked for. */
const FAULTS: Readonly<Record<string, Choice>> = {
  'a state is written before the intent is on disk': ({ verb, what, reload }) =>
    verb === 'drain' && what === 'write' && !reload,
  'a request is installed before the disk holds its record': ({ verb, what, reload }) =>
    verb === 'stop' && what === 'write' && !reload,
  'a node that is out is taken for serving after a crash': ({ verb, reload }) => verb === 'stop' && !reload,
  'a state that a reload has removed is not set again': ({ verb, reload }) => verb === 'hold' && reload,
};

test.each(Object.entries(FAULTS))('%s: the campaign finds it', async (name, isOne) => {
  const mutant = MUTANTS.find((one) => one.name === name);
  if (mutant === undefined) throw new Error(`no mutant is called ${name}`);
  const chosen = allPoints().filter(isOne);
  const copy = await mutated(packageRoot(), mutant);
  try {
    const program = await programOf(copy, packageRoot());
    const say = (line: string): void => void process.stdout.write(`${name}: ${line}\n`);
    const found: KillPoint[] = [];
    const onBroken = (line: string, point: KillPoint): void => {
      say(line);
      found.push(point);
    };
    const sums = await playCrashes({ points: chosen, sites: 1, program, onBroken, untilBroken: true });
    say(`${sums.broken.length > 0 ? 'found' : 'not found'} after ${sums.runs} of ${chosen.length} points`);
    expect(sums.broken).not.toEqual([]);
    // A defect that the program has without it proves nothing.
    const point = found.at(-1) as KillPoint;
    expect((await playCrashes({ points: [point], sites: 1, onBroken: say })).broken).toEqual([]);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
});
