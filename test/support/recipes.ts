import { parse } from 'yaml';
import { textOf } from './repository.ts';

/** The page of recipes, relative to the repository's root. */
export const RECIPES_PAGE = 'deploy/count-users.md';

/** One section of the page. */
export interface Recipe {
  readonly title: string;
  /** Its snippets of configuration, as written. */
  readonly yaml: readonly string[];
  /** Its first block in that language, such as `text` for an answer. */
  block(language: string): string | undefined;
}

/** One row of the page's table. */
export interface RecipeRow {
  readonly title: string;
  /** Did the tests that are named run it with the real application? */
  readonly isReal: boolean;
  /** Test files, relative to test/. */
  readonly tests: readonly string[];
}

/** Every section that has a snippet of configuration. */
export function recipes(): readonly Recipe[] {
  const sections = textOf(RECIPES_PAGE).split(/^## /m).slice(1);
  return sections.map((section) => ({
    title: section.slice(0, section.indexOf('\n')),
    yaml: blocks(section, 'yaml'),
    block: (language) => blocks(section, language)[0],
  }));
}

/** The rows of the table that says which recipes ran for real. */
export function recipeRows(): readonly RecipeRow[] {
  const rows = textOf(RECIPES_PAGE).matchAll(
    /^\| \[([^\]]+)\]\(#[^)]+\) +\|[^|]+\| (yes|no)[:;] ([^|]+)\|$/gm,
  );
  return [...rows].map(([, title = '', ran, tests = '']) => ({
    title,
    isReal: ran === 'yes',
    tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file),
  }));
}

/** A section by its title. */
export function recipeOf(title: string): Recipe {
  const found = recipes().find((recipe) => recipe.title === title);
  if (found === undefined) throw new Error(`${RECIPES_PAGE} has no section ${title}`);
  return found;
}

/**
 * The configuration of a recipe, with what the page writes for it replaced by what the test has.
 * @param changes from a text of the snippet, which has to stand there, to the test's own
 * @param index of the snippet within its section
 */
export function recipeConfig(
  title: string,
  changes: Readonly<Record<string, string>>,
  index = 0,
): Readonly<Record<string, unknown>> {
  const written = recipeOf(title).yaml[index] ?? '';
  const changed = Object.entries(changes).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the recipe ${title} has no ${from}: ${written}`);
    return text.replaceAll(from, to);
  }, written);
  return parse(changed) as Record<string, unknown>;
}

function blocks(section: string, language: string): string[] {
  return [...section.matchAll(/^```(\w+)\n([^]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , text = '']) => text);
}
