import { describe, expect, test } from '@jest/globals';
import { MUTANTS } from '../support/mutants/table.ts';
import { filesNamed, repositoryFiles, textOf } from '../support/repository.ts';
import { RULES } from '../support/wide/violation.ts';

/** INVARIANTS.md defines what the oracle, the mutants and the comments mean by each number. */

const PAGE = 'agent/INVARIANTS.md';
const FILES = repositoryFiles();
const NUMBER = /\bI(?:[1-9]|1\d)\b/g;

interface Invariant {
  readonly name: string;
  readonly text: string;
}

const INVARIANTS: readonly Invariant[] = textOf(PAGE)
  .split(/^## (?=I\d|Other)/m)
  .slice(1, -1)
  .map((part) => ({ name: part.split('\n')[0] ?? '', text: part }));

/** The items of one of the lists of an invariant. */
function listed({ text }: Invariant, title: string): string[] {
  const list = new RegExp(`^- ${title}: ((?:.|\\n  )*)`, 'm').exec(text)?.[1] ?? '';
  return list
    .split(',')
    .map((item) => item.replaceAll(/\s+/g, ' ').trim())
    .filter((item) => item !== '');
}

test('The page has I1 to I19, each once', () => {
  expect(INVARIANTS.map(({ name }) => name)).toEqual(Array.from({ length: 19 }, (_, at) => `I${at + 1}`));
});

test('Every number that a comment or a test cites is on the page, and every one on the page is cited', () => {
  const cited = FILES.filter((file) => /^(?:agent|test|deploy|haproxy)\/.*\.(?:ts|md|ya?ml|cfg)$/.test(file))
    .filter((file) => file !== PAGE && !file.endsWith('invariants-page.test.ts'))
    .flatMap((file) => [...textOf(file).matchAll(NUMBER)].map(([number]) => number));
  expect([...new Set(cited)].sort()).toEqual(INVARIANTS.map(({ name }) => name).sort());
});

describe.each(INVARIANTS)('$name', (invariant) => {
  test('names the files that keep it and the tests that show it', () => {
    for (const title of ['Enforced', 'Tests']) {
      const files = [
        ...(new RegExp(`^- ${title}: (?:.|\\n  )*`, 'm').exec(invariant.text)?.[0] ?? '').matchAll(
          /`([\w./-]+\.ts)`/g,
        ),
      ];
      expect(files.length).toBeGreaterThan(0);
      for (const [, name = ''] of files)
        expect([name, filesNamed(name, FILES)]).toEqual([name, expect.arrayContaining([expect.any(String)])]);
    }
  });

  test('has the rules of the oracle that stand for it', () => {
    const rules = Object.entries(RULES).filter(([, what]) => what.split(', ').includes(invariant.name));
    expect(listed(invariant, 'Rules').sort()).toEqual(rules.map(([rule]) => rule).sort());
  });
});

test('Every invariant that the campaign judges has a mutant that it must find', () => {
  const broken = new Set(MUTANTS.map(({ breaks }) => breaks));
  const judged = INVARIANTS.filter((one) => listed(one, 'Rules').length > 0);
  expect(judged.map(({ name }) => name).filter((name) => !broken.has(name))).toEqual([]);
});
