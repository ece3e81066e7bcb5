import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { TRAPS } from '../../agent/doctor/table.ts';
import {
  copySources,
  notByExpectation,
  type SourceCopy,
  takenForFine,
  withoutTrap,
  wordsOf,
} from '../support/mutants/trap-mutant.ts';
import { TRAP_PROOFS, type TrapProof } from '../support/mutants/trap-proofs.ts';
import { textOf } from '../support/repository.ts';
import { packageRoot } from '../support/sample.ts';

/** Faults put into doctor one by one: a trap that it never reports, and a place at which it takes the unknown for fine. */

/** So many at a time, each in a copy of its own. */
const AT_A_TIME = 2;

let copies: SourceCopy[];
beforeAll(async () => {
  copies = await Promise.all(Array.from({ length: AT_A_TIME }, () => copySources(packageRoot())));
});
afterAll(() => Promise.all((copies ?? []).map((copy) => copy.remove())));

/** Works through a list with all copies at once. */
async function inTurn<T>(
  list: readonly T[],
  work: (copy: SourceCopy, one: T) => Promise<void>,
): Promise<void> {
  const waiting = list.values();
  const worker = async (copy: SourceCopy): Promise<void> => {
    for (const one of waiting) await work(copy, one);
  };
  await Promise.all(copies.map(worker));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

test('With every trap in place the test that shows it passes', async () => {
  const files = new Set(Object.values(TRAP_PROOFS).map(({ file }) => file));
  const unproven: string[] = [];
  await inTurn([...files], async (copy, file) => {
    const { passed, failures } = await copy.run(null, [`test/${file}`]);
    unproven.push(...failures);
    for (const [id, proof] of Object.entries(TRAP_PROOFS)) {
      if (proof.file === file && !passed.some((name) => name.includes(proof.test))) unproven.push(id);
    }
  });
  expect(unproven).toEqual([]);
});

test('A trap that is never reported is missed by the test that shows it', async () => {
  const unmissed: string[] = [];
  await inTurn(TRAPS, async (copy, { id }) => {
    const proof = TRAP_PROOFS[id] as TrapProof;
    const why = notByExpectation(await copy.run(withoutTrap(id, proof.shows ?? 'found'), wordsOf(proof)));
    say(`trap ${id}: ${why.length === 0 ? 'missed' : 'NOT MISSED'} by ${proof.file}: ${proof.test}`);
    unmissed.push(...why.map((text) => `${id}: ${text}`));
  });
  expect(unmissed).toEqual([]);
});

test('Where a trap could not be looked for and is taken for absent, a test of doctor fails', async () => {
  const folder = 'agent/doctor/traps';
  const files = [
    ...readdirSync(`${packageRoot()}/${folder}`).map((name) => `${folder}/${name}`),
    'agent/doctor/trap.ts',
  ];
  const places = files.flatMap((file) => takenForFine(file, textOf(file)));
  expect(places.length).toBeGreaterThan(20);
  const unmissed: string[] = [];
  await inTurn(places, async (copy, { place, ...change }) => {
    const why = notByExpectation(await copy.run(change, ['test/doctor']));
    say(`${place}: ${why.length === 0 ? 'missed' : 'NOT MISSED'}`);
    if (why.length > 0) unmissed.push(place);
  });
  expect(unmissed).toEqual([]);
});
