import { describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CONTEXT, MINIMAL, problemsOf } from '../config/support.ts';
import { loadConfig } from '../../agent/config/load.ts';
import { recipeRows, recipes } from '../support/recipes.ts';
import { textOf } from '../support/repository.ts';
import { packageRoot } from '../support/sample.ts';

const SNIPPETS = recipes().flatMap(({ title, yaml }) => yaml.map((text) => ({ title, text })));

describe('The page of recipes', () => {
  test.each(SNIPPETS)('$title is a right configuration that warns of nothing', async ({ text }) => {
    // What is bound to a file is looked for when it is used.
    const loaded = await loadConfig(`${MINIMAL}${text}`, CONTEXT);
    expect(await problemsOf(`${MINIMAL}${text}`)).toEqual([]);
    expect(loaded).toMatchObject({ ok: true, warnings: [] });
    if (loaded.ok) expect(loaded.config.sessions.length).toBeGreaterThan(0);
  });

  test('has a row for each section, and a section for each row', () => {
    expect(recipeRows().map(({ title }) => title)).toEqual(recipes().map(({ title }) => title));
    expect(recipes().filter(({ yaml }) => yaml.length === 0)).toEqual([]);
  });

  test('says which recipes ran for real, and the tests that it names take the configuration from the page', () => {
    const wrong = recipeRows().flatMap(({ title, tests }) => {
      const missing = tests.filter((file) => !existsSync(join(packageRoot(), 'test', file)));
      if (missing.length > 0 || tests.length === 0) return [`${title}: no test ${missing.join(', ')}`];
      const uses = tests.some((file) => textOf(join('test', file)).includes(`'${title}'`));
      return uses ? [] : [`${title}: not by ${tests.join(', ')}`];
    });
    expect(wrong).toEqual([]);
    expect(recipeRows().filter(({ isReal }) => isReal).length).toBeGreaterThanOrEqual(5);
  });
});
