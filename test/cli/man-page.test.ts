import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { createProgram } from '../../agent/cli/commands.ts';
import { manPage } from '../../agent/cli/man-page.ts';
import { EXIT_CODES } from '../../agent/system/error.ts';
import { skipped } from '../support/skip.ts';

const PROGRAM = createProgram(
  { stdout: { write: () => undefined }, version: () => '1.2.3' },
  null,
  () => undefined,
);

/** What can read the page: groff warns of each mistake in it; so does mandoc. Another machine may have neither. */
const GROFF = isHere('groff');
const MANDOC = isHere('mandoc');

function isHere(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

/** As a terminal shows it, without bold and underlined letters. */
function shown(page: string): string {
  const { stdout, stderr, status } = spawnSync(
    'groff',
    ['-man', '-Tutf8', '-ww', '-P-cbou', '-rLL=200n', '-rHY=0'],
    {
      input: page,
      encoding: 'utf8',
    },
  );
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  return stdout;
}

describe('The man page', () => {
  test('has each command with each option that its help shows', () => {
    if (!GROFF) return skipped('groff is not here');
    const text = shown(manPage(PROGRAM, '1.2.3'));
    expect(text).toContain('lastcall 1.2.3');
    for (const command of PROGRAM.createHelp().visibleCommands(PROGRAM)) {
      const from = text.indexOf(`\n   ${command.name()}\n`);
      expect(from).toBeGreaterThan(0);
      const [part = ''] = text.slice(from + 1).split(/\n\n {3}(?=\S)|\n\n(?=\S)/);
      for (const { long, hidden } of command.options)
        expect({ long, isThere: new RegExp(`^ +(-\\w, )?${long}( |$)`, 'm').test(part) }).toEqual({
          long,
          isThere: !hidden,
        });
    }
    for (const { long } of PROGRAM.options) expect(text).toContain(long);
    expect(text).not.toContain('complete-words');
  });

  test('has each exit code and each `code`', () => {
    if (!GROFF) return skipped('groff is not here');
    const text = shown(manPage(PROGRAM, '1.2.3')).split('\nEXIT STATUS\n')[1] ?? '';
    for (const [code, exit] of Object.entries(EXIT_CODES)) {
      expect(text).toMatch(new RegExp(`^ +${exit} `, 'm'));
      if (code !== 'done') expect(text).toMatch(new RegExp(`\\b${code}\\b`));
    }
  });

  test('shows a text as it is, whatever roff would make of it', () => {
    if (!GROFF) return skipped('groff is not here');
    const program = new Command('lastcall');
    const hostile = String.raw`.so /etc/passwd and \n(yr 'quoted' ~^ "a" -- ’`;
    program.command('run').description(hostile);
    program.command('stop').description("'br begins with a request");
    const text = shown(manPage(program, '1.2.3'));
    expect(text).toContain(`${hostile}.`);
    expect(text).toContain("'br begins with a request.");
  });

  test('is clean for mandoc', () => {
    if (!MANDOC) return skipped('mandoc is not here');
    const page = manPage(PROGRAM, '1.2.3');
    const { stdout } = spawnSync('mandoc', ['-Tlint', '-Wwarning'], { input: page, encoding: 'utf8' });
    // It has no date on purpose: two builds of one version are the same file.
    expect(stdout.split('\n').filter((line) => !line.includes('missing date'))).toEqual(['']);
  });
});
