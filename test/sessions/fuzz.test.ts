import { expect, test } from '@jest/globals';
import { fuzz } from '../support/fuzz.ts';
import { sessionSubjects } from '../support/fuzz-sessions.ts';

/** The same for every run; `npm run test:long -- fuzz` plays a million for each. */
test.each(sessionSubjects())('$name is never a false zero', async (subject) => {
  const { single, several } = await fuzz(subject, 500, false);
  expect(single + several).toBeGreaterThanOrEqual(500);
});
