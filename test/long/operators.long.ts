import { expect, test } from '@jest/globals';
import { runOperators } from '../support/operator-campaign.ts';

const COMMANDS = 10_000;

test('ten thousand random commands of operators: no MAINT or DRAIN of theirs is overridden', async () => {
  const { overrides, seed, ...report } = await runOperators(Date.now() % 2 ** 31, COMMANDS);
  process.stdout.write(`operators: seed ${seed}, ${JSON.stringify(report)}, ${overrides.length} overrides\n`);
  expect({ overrides, commands: report.commands, terms: report.terms }).toEqual({
    overrides: [],
    commands: COMMANDS,
    terms: 0,
  });
});
