import { expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { allEnded } from '../support/all-ended.ts';
import { runs } from '../support/long.ts';
import { type Mutant, mutated, placesOf, programOf } from '../support/mutants/mutant.ts';
import { packageRoot } from '../support/sample.ts';
import { type Measure, MEASURES } from '../support/soak/size.ts';
import { soak, type Soaked } from '../support/soak/soak.ts';

const CYCLES = 10_000;
/** Sidecars beside each other. */
const NODES = 4;
/** Of a leak on purpose. */
const FEW = 150;

/** What a thousand cycles may add. A descriptor, a timer or a kilobyte for each cycle would be a thousand of it. */
const MOST: Readonly<Record<Measure, number>> = { heapKib: 300, rssKib: 8_000, descriptors: 3, timers: 3 };

test('ten thousand times drain and ready with faults in between: memory, descriptors and timers stay', async () => {
  const each = Math.ceil(runs(CYCLES) / NODES);
  const began = performance.now();
  const soaked = await allEnded(Array.from({ length: NODES }, () => soak(each)));
  const seconds = Math.round((performance.now() - began) / 1_000);
  for (const { sizes, ...one } of soaked) say(`${seconds} s: ${JSON.stringify(one)}`, sizes);
  expect(soaked.flatMap(({ broken }) => broken)).toEqual([]);
  expect(soaked.flatMap(growing)).toEqual([]);
});

const NEW_EPOCH = '  patch(draft, { epoch: draft.state.epoch + 1, epochStartedAt: draft.at });';
/** Put into a copy on purpose: it stays behind at each change of what is wanted. */
const LEAKS: readonly (readonly [Measure, string])[] = [
  ['descriptors', "process.getBuiltinModule('node:fs').openSync('/dev/null');"],
  ['timers', 'setTimeout(() => undefined, 3_600_000);'],
  ['heapKib', '(globalThis.leaked ??= []).push(Array.from({ length: 128 }, Math.random));'],
];

test.each(LEAKS)('%s that each operation leaves behind are found', async (measure, code) => {
  const replace = `${NEW_EPOCH}\n  ${code}`;
  const mutant: Mutant = { name: measure, breaks: 'soak', file: 'draft.ts', find: NEW_EPOCH, replace };
  expect(await placesOf(packageRoot(), mutant)).toBe(1);
  const copy = await mutated(packageRoot(), mutant);
  try {
    const soaked = await soak(FEW, await programOf(copy, packageRoot()));
    say(`${mutant.name} left behind: ${JSON.stringify(soaked.growth)}`);
    expect(growing(soaked).join()).toContain(measure);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
});

function growing({ growth }: Soaked): string[] {
  return MEASURES.filter((one) => growth[one].perThousand > MOST[one]).map(
    (one) => `${one}: ${JSON.stringify(growth[one])}, at most ${MOST[one]} for each thousand cycles`,
  );
}

/** With LASTCALL_SIZES=1 each sample as well. */
function say(text: string, sizes: readonly object[] = []): void {
  const rest = process.env['LASTCALL_SIZES'] === '1' ? sizes.map((one) => JSON.stringify(one)) : [];
  process.stdout.write(`soak: ${[text, ...rest].join('\n')}\n`);
}
