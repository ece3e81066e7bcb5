import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CATALOGUE } from './faults/catalogue.ts';
import { compare } from './faults/fault.ts';
import { renderReport } from './faults/report.ts';
import { start } from './support/cli.ts';
import { packageRoot } from './support/sample.ts';
import { makeTempDir, type TempDir } from './support/tempdir.ts';

/** The catalogue of faults, and that its report can fail. */

describe('The catalogue', () => {
  test('has each of its 72 faults once, with an expectation, and runs it or says why it does not', () => {
    expect(CATALOGUE.map(({ number }) => number)).toEqual(Array.from({ length: 72 }, (_none, at) => at + 1));
    for (const { title, made, expected, run, notMade } of CATALOGUE) {
      expect([title, made, expected].every((text) => text.length > 3)).toBe(true);
      expect(run === undefined).toBe(notMade !== undefined);
    }
  });

  test.each([
    [{ code: 0 }, { code: 75 }, false],
    [{ code: 75 }, { code: 75 }, true],
    [{ ms: 900 }, { ms: { atMost: 800 } }, false],
    [{ ms: undefined }, { ms: { atMost: 800 } }, false],
    [{ text: 'held' }, { text: /^guard$/ }, false],
    [{ text: null }, { text: /null/ }, false],
    [{ codes: [0, 75] }, { codes: [0, 0] }, false],
    [{ codes: [0, 0] }, { codes: [0, 0] }, true],
  ])('%j is compared with %j', (seen, expected, isSo) => {
    expect(compare(seen as unknown as { x: null }, expected as unknown as { x: null }).isAsExpected).toBe(
      isSo,
    );
  });
});

/** The report without what a run fills in: date, versions, numbers, and in each row the seen, figure and result. */
function withoutSeen(report: string): string {
  return report
    .replace(/on \d{4}-\d\d-\d\d \d\d:\d\d UTC, with [^\n]*\.$/m, 'on DATE, with VERSIONS.')
    .replace(/^\*\*72 faults: \d+ as expected, \d+ failed, \d+ not made here\.\*\*/m, '**COUNTS**')
    .split('\n')
    .map((line) =>
      /^\| \d+ \|/.test(line)
        ? line
            .split(/(?<!\\)\|/)
            .slice(0, 5)
            .join('|')
        : line,
    )
    .join('\n');
}

test('REPORT.md has for each row the title, making, expectation and correction of the catalogue, and no other prose', async () => {
  const written = await readFile(join(packageRoot(), 'test', 'faults', 'REPORT.md'), 'utf8');
  const outcomes = CATALOGUE.map((fault) => ({
    fault,
    is: 'ok' as const,
    seen: '',
    figure: null,
    seconds: 0,
  }));
  const fresh = renderReport(outcomes, new Date());
  expect(withoutSeen(fresh)).toContain('**COUNTS**');
  expect(withoutSeen(written)).toBe(withoutSeen(fresh));
});

describe('`npm run faults -- 11`', () => {
  let temp: TempDir;
  beforeAll(async () => {
    temp = await makeTempDir();
  });
  afterAll(() => temp.remove());

  const faults = async (
    env: Record<string, string> = {},
  ): Promise<{ code: number | null; stdout: string }> => {
    const main = join(packageRoot(), 'dist', 'test', 'faults', 'main.js');
    return start(process.execPath, [main, '11', '--report', join(temp.path, 'report')], env).outcome;
  };

  test('makes the fault for real, and ends with 0', async () => {
    const { code, stdout } = await faults();
    expect(stdout).toMatch(/^11 ok .*codes: \[75,75\]/m);
    expect(code).toBe(0);
    expect(await readFile(join(temp.path, 'report'), 'utf8')).toMatch(
      /^\| 11 \| last healthy node .*\| ok \|$/m,
    );
  });

  test('reports a program that says it is done and does nothing as failed, and ends with 1', async () => {
    const wrong = join(temp.path, 'wrong.mjs');
    await writeFile(wrong, `console.log('{"ok":true,"code":"done"}');\n`);
    const { code, stdout } = await faults({ LASTCALL_BUNDLE: wrong });
    expect(stdout).toMatch(/^11 failed .*codes: \[0,0\].*NOT AS EXPECTED: codes \(expected \[75,75\]\)/m);
    expect(code).toBe(1);
    expect(await readFile(join(temp.path, 'report'), 'utf8')).toMatch(/^\| 11 \| .*\| \*\*FAILED\*\* \|$/m);
  });
});
