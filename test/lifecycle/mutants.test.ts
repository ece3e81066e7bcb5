import { expect, test } from '@jest/globals';
import { placesOf } from '../support/mutants/mutant.ts';
import { MUTANTS } from '../support/mutants/table.ts';
import { packageRoot } from '../support/sample.ts';

test.each(MUTANTS)(
  'the code that the mutant "$name" changes stands there exactly once; `npm run test:long -- mutants` hunts it',
  async (mutant) => {
    expect(await placesOf(packageRoot(), mutant)).toBe(1);
    expect(mutant.replace).not.toBe(mutant.find);
  },
);
