import { expect, test } from '@jest/globals';
import { fuzz } from '../support/fuzz.ts';
import { haproxySubjects } from '../support/fuzz-subjects.ts';

const INPUTS = 500;

/** The same for every run; `npm run test:long -- fuzz` plays a million for each. */
test.each(haproxySubjects())('$name is never a false zero', async (subject) => {
  const { single, several } = await fuzz(subject, INPUTS, false);
  expect(single + several).toBeGreaterThanOrEqual(INPUTS);
});
