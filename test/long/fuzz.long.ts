import { afterAll, expect, test } from '@jest/globals';
import { fuzz } from '../support/fuzz.ts';
import { sessionSubjects } from '../support/fuzz-sessions.ts';
import { haproxySubjects } from '../support/fuzz-subjects.ts';
import { runs } from '../support/long.ts';

/** So many injured texts for each reader: every single injury of every byte, and then several at once. */
const INPUTS = runs(1_000_000);
const told: string[] = [];

afterAll(() => void process.stdout.write(`fuzz:\n${told.map((line) => `  ${line}\n`).join('')}`));

test.each([...haproxySubjects(), ...sessionSubjects()])('$name is never a false zero', async (subject) => {
  const began = performance.now();
  const { single, several, counted, zeros } = await fuzz(subject, INPUTS, true);
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  told.push(
    `${subject.name}: ${single} texts with one injury and ${several} with several, ${counted} still counted, ` +
      `no zero by one, ${zeros} by several, no error without a type (${seconds} s)`,
  );
  expect(single + several).toBeGreaterThanOrEqual(INPUTS);
});
