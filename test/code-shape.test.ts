import { describe, expect, test } from '@jest/globals';
import { circlesOf, importsIn, readImports } from './support/import-graph.ts';
import { declaredTypes } from './support/declared-types.ts';
import { DOUBLED } from './support/doubled-types.ts';
import { functionLengths, linesOf, sourceFiles } from './support/function-lengths.ts';

/** What holds for every source file, whatever room it is in. */

const FOLDERS = ['agent', 'test'];

/**
 * How many files of a folder still import each other in a circle, of types alone. No number may rise, no folder may be
 * added; a number that is too high fails too, so that it goes down with each circle that is cut.
 */
const IN_CIRCLES: Readonly<Record<string, number>> = {};

const folderOf = (file: string): string => file.split('/').slice(0, 2).join('/');

describe('Imports', () => {
  test('lead nowhere back to where they began: those of types and lazy ones counted too', () => {
    const graph = readImports(FOLDERS);
    expect(graph.size).toBeGreaterThan(400);
    const counts: Record<string, number> = {};
    const circles = circlesOf(graph);
    for (const file of circles.flat()) counts[folderOf(file)] = (counts[folderOf(file)] ?? 0) + 1;
    expect({ counts, circles }).toEqual({ counts: IN_CIRCLES, circles });
  });

  test('of every kind are seen, and a circle among them is found', () => {
    const text =
      "import type { A } from './a.ts';\nimport {\n  b,\n} from '../b.ts';\nexport * from './c.ts';\n" +
      "import './d.ts';\nconst e = await import('./e.ts');\ntype F = typeof import('./f.ts');\nimport { z } from 'zod';\n";
    const found = importsIn(text, 'agent/x/y.ts');
    expect(found).toEqual(
      ['a', '../b', 'c', 'd', 'e', 'f'].map(
        (name) => `agent/${name.startsWith('..') ? name.slice(3) : `x/${name}`}.ts`,
      ),
    );
    const graph = new Map([
      ['a', ['b', 'd']],
      ['b', ['c']],
      ['c', ['a']],
      ['d', []],
      ['e', ['f', 'a']],
      ['f', ['e']],
    ]);
    expect(new Set(circlesOf(graph).map(String))).toEqual(new Set(['a,b,c', 'e,f']));
  });
});

describe('A type', () => {
  test.each(FOLDERS)(
    'of %s has a name that no other file there declares, but for those still listed',
    (folder) => {
      const files = declaredTypes(folder);
      expect(files.size).toBeGreaterThan(100);
      const doubled = [...files].filter(([, places]) => places.length > 1);
      const counts = Object.fromEntries(doubled.map(([name, places]) => [name, places.length]));
      const places = Object.fromEntries(
        doubled.filter(([name, { length }]) => DOUBLED[folder]?.[name] !== length),
      );
      expect({ counts, places }).toEqual({ counts: DOUBLED[folder], places: {} });
    },
  );
});

describe('The code of test/', () => {
  test('has no file above 280 lines', () => {
    const files = sourceFiles('test');
    expect(files.filter((file) => linesOf(file) > 280)).toEqual([]);
  });
});

describe('The code of agent/', () => {
  const files = sourceFiles('agent');

  test('has functions that one looks over: none above 60 lines, nine of ten within 20', () => {
    const all = files.flatMap(functionLengths);
    expect(all.length).toBeGreaterThan(3_000);
    expect(all.filter(({ lines }) => lines > 60)).toEqual([]);
    const sorted = all.map(({ lines }) => lines).toSorted((one, other) => one - other);
    expect(sorted[Math.floor(sorted.length * 0.9)]).toBeLessThanOrEqual(20);
  });

  test('has no function above 40 lines in the lifecycle', () => {
    const lifecycle = sourceFiles('agent/lifecycle');
    expect(lifecycle.length).toBeGreaterThan(50);
    expect(lifecycle.flatMap(functionLengths).filter(({ lines }) => lines > 40)).toEqual([]);
  });

  test('has no file above 280 lines', () => {
    expect(files.map((file) => [file, linesOf(file)]).filter(([, lines]) => Number(lines) > 280)).toEqual([]);
  });

  test('is measured by every kind of function', () => {
    const here = functionLengths('test/support/function-samples.ts').map(({ lines }) => lines);
    expect(here).toEqual([3, 4, 5, 3, 4, 6, 3, 3]);
  });
});
