import { expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { allEnded } from '../support/all-ended.ts';
import { findEtcd } from '../support/etcd.ts';
import { runs } from '../support/long.ts';
import { type Mutant, mutated, placesOf, programOf } from '../support/mutants/mutant.ts';
import { packageRoot } from '../support/sample.ts';
import { skipped } from '../support/skip.ts';
import { SOAK_FAULTS } from '../support/soak/faults.ts';
import { growingIn, growthOf, type Measure } from '../support/soak/size.ts';
import { soak, type Soaked } from '../support/soak/soak.ts';

/** Ten thousand times drain and ready with faults in between: some 45 minutes on two quiet cores. */

const CYCLES = 10_000;
/** Of a machine that is busy otherwise, in milliseconds. */
const LONGEST_MS = 4 * 3_600_000;
/** Nodes beside each other; more of them do not end sooner on two cores. A machine that is busy otherwise takes fewer. */
const NODES = Number(process.env['LASTCALL_SITES'] ?? 4);
/** Of a leak on purpose. */
const FEW = 40;
/** Of a hundred cycles so many may fall into a standstill of this machine. */
const MOST_SPOILT_PERCENT = 3;

test(
  '10,000 drains and returns with faults in between leave no memory, descriptors or timers behind',
  async () => {
    const found = await findEtcd();
    if ('missing' in found) skipped(`the faults of a lock: ${found.missing}`);
    const etcd = 'program' in found ? found.program : null;
    const cycles = Math.ceil(runs(CYCLES) / NODES);
    const began = performance.now();
    const nodes = Array.from({ length: NODES }, (_none, at) => soak({ cycles, from: at * cycles, etcd }));
    const all = await allEnded(nodes);
    const seconds = Math.round((performance.now() - began) / 1_000);
    for (const soaked of all) show(`${seconds} s`, soaked);
    expect(all.flatMap(({ broken }) => broken)).toEqual([]);
    const spoilt = all.flatMap((soaked) => soaked.spoilt);
    expect((spoilt.length / (cycles * NODES)) * 100).toBeLessThanOrEqual(MOST_SPOILT_PERCENT);
    const met = new Set(all.flatMap(({ faults }) => Object.keys(faults)));
    const playable = SOAK_FAULTS.filter(({ isOfLock }) => etcd !== null || isOfLock !== true);
    expect(playable.filter(({ name }) => !met.has(name)).map(({ name }) => name)).toEqual([]);
    expect(all.flatMap(({ sizes }) => growingIn(growthOf(sizes)))).toEqual([]);
  },
  LONGEST_MS,
);

const NEW_EPOCH = '  patch(draft, { epoch: draft.state.epoch + 1, epochStartedAt: draft.at });';
/** Put into a copy on purpose: it stays behind at each change of what is wanted. */
const LEAKS: readonly (readonly [Measure, string])[] = [
  ['descriptors', "process.getBuiltinModule('node:fs').openSync('/dev/null');"],
  [
    'listeners',
    "(globalThis.leaked ??= new AbortController()).signal.addEventListener('abort', () => undefined);",
  ],
  ['timers', 'setTimeout(() => undefined, 3_600_000);'],
  ['heapKib', '(globalThis.leaked ??= []).push(Array.from({ length: 1_024 }, Math.random));'],
];

test.each(LEAKS)('a leak of %s, put in on purpose, is found', async (measure, code) => {
  const replace = `${NEW_EPOCH}\n  ${code}`;
  const mutant: Mutant = { name: measure, breaks: 'soak', file: 'step-draft.ts', find: NEW_EPOCH, replace };
  expect(await placesOf(packageRoot(), mutant)).toBe(1);
  const copy = await mutated(packageRoot(), mutant);
  try {
    const soaked = await soak({ cycles: FEW, etcd: null, program: await programOf(copy, packageRoot()) });
    show(`${measure} left behind`, soaked);
    expect(growingIn(growthOf(soaked.sizes)).join()).toContain(measure);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
});

/** With LASTCALL_SIZES=1 each sample as well. */
function show(what: string, { sizes, ...rest }: Soaked): void {
  const samples = process.env['LASTCALL_SIZES'] === '1' ? sizes.map((one) => JSON.stringify(one)) : [];
  const growth = sizes.length < 16 ? null : growthOf(sizes);
  process.stdout.write(
    `soak: ${[`${what}: ${JSON.stringify({ ...rest, growth })}`, ...samples].join('\n')}\n`,
  );
}
