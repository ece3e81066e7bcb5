import { describe, expect, test } from '@jest/globals';
import { anchorsOf, filesNamed, repositoryFiles, textOf } from './support/repository.ts';

/** What a comment or a page refers to is in the repository: a reader has nothing else. */

const FILES = repositoryFiles();
const PAGES = FILES.filter((file) => file.endsWith('.md'));
/** Where people write: code, samples and pages. */
const READ = FILES.filter((file) => file !== 'test/references.test.ts').filter((file) =>
  /\.(?:ts|mjs|md|sh|cfg|ya?ml|rules|service|conf)$/.test(file),
);
const ANCHORS = new Map(PAGES.map((page) => [page, anchorsOf(textOf(page))]));

/** `BEHAVIOUR.md#admin-state`, `PHASES.md`: a page by its name, and a heading of it. */
const PAGE = /(?<![\w/.-])(?:[\w.-]+\/)*([A-Za-z][\w-]*\.md)(?:#([\w-]+))?/g;
/** A source file in the text of a page. */
const SOURCE = /(?<![\w/-])(?:[\w.-]+\/)*[\w-]+(?:\.[\w-]+)*\.ts(?!\w)/g;
/** Documents that only their authors had, and their numbering. */
const UNKNOWN =
  /\([A-HJ-Z]\d{1,2}\)|haproxy-facts(?! *\.ts|\.ts)|haproxy-versions|\bcontract\.md|\(contract\b|\bthe contract(?:'s)? (?:promises|gives|has|that)|of the contract\b|\brecipes \d|\breview of versions|\.\.\/shared\//;

function linesOf(file: string): { readonly at: string; readonly line: string }[] {
  return textOf(file)
    .split('\n')
    .map((line, index) => ({ at: `${file}:${index + 1}`, line }));
}

/** What is wrong with the pages that one line names. */
function wrongPages(line: string): string[] {
  return [...line.matchAll(PAGE)].flatMap(([cited, name = '', anchor]) => {
    const pages = PAGES.filter((page) => page === name || page.endsWith(`/${name}`));
    if (pages.length !== 1) return [`${cited}: ${pages.length} pages of this name`];
    const known = ANCHORS.get(pages[0] ?? '') ?? [];
    return anchor === undefined || known.includes(anchor) ? [] : [`${cited}: no such heading`];
  });
}

describe('Everything that is referred to is here:', () => {
  test('pages and their headings', () => {
    const wrong = READ.flatMap(linesOf).flatMap(({ at, line }) =>
      wrongPages(line).map((what) => `${at} ${what}`),
    );
    expect(PAGES.length).toBeGreaterThan(5);
    expect(wrong).toEqual([]);
  });

  test('headings that pages link to within themselves', () => {
    const wrong = PAGES.flatMap((page) =>
      [...textOf(page).matchAll(/\]\(#([\w-]+)\)/g)].flatMap(([link, anchor = '']) =>
        ANCHORS.get(page)?.includes(anchor) === true ? [] : [`${page} ${link}`],
      ),
    );
    expect(wrong).toEqual([]);
  });

  test('source files that pages name', () => {
    const wrong = PAGES.flatMap(linesOf).flatMap(({ at, line }) =>
      [...line.matchAll(SOURCE)].flatMap(([name]) =>
        filesNamed(name, FILES).length > 0 ? [] : [`${at} ${name}`],
      ),
    );
    expect(wrong).toEqual([]);
  });

  test('nothing refers to a document that is not', () => {
    const wrong = READ.flatMap(linesOf).filter(({ line }) => UNKNOWN.test(line));
    expect(wrong).toEqual([]);
  });

  test('a wrong one is seen', () => {
    expect(wrongPages('see NOWHERE.md')).toEqual(['NOWHERE.md: 0 pages of this name']);
    expect(wrongPages('(BEHAVIOUR.md#nowhere)')).toEqual(['BEHAVIOUR.md#nowhere: no such heading']);
    expect(wrongPages('(BEHAVIOUR.md#admin-state), PHASES.md')).toEqual([]);
    for (const text of ['(D2)', '(haproxy-facts B)', '(contract, `keep`)']) expect(text).toMatch(UNKNOWN);
    for (const text of ['(I7)', './haproxy-facts.ts', 'test/contract/source.ts'])
      expect(text).not.toMatch(UNKNOWN);
  });
});
