import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { packageRoot } from './support/sample.ts';

/** The language check of `npm run check` (language.mjs), on a repository of one file. */

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lastcall-language-'));
  for (const folder of [
    'agent/engine',
    'test/support/mutants',
    'test/support/wide',
    'test/faults',
    'deploy',
    'haproxy',
  ])
    mkdirSync(join(root, folder), { recursive: true });
});

afterEach(() => rmSync(root, { recursive: true }));

/** Checks a repository with this file; resolves to the exit code and the output. */
function check(file: string, text: string): Promise<{ code: unknown; output: string }> {
  writeFileSync(join(root, file), text);
  const script = join(packageRoot(), 'test/language.mjs');
  return new Promise((resolve) => {
    execFile(process.execPath, [script, root], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    );
  });
}

describe('The language check', () => {
  test.each([
    ['// Waits for whoever is left.', 'agent/a.ts:1 whoever'],
    ['/** Closes it.\n * Nobody is there. */', 'agent/a.ts:2 Nobody'],
    ['// Closed. Who is left is not counted.', 'agent/a.ts:1 . Who is left is not counted'],
  ])('refuses a comment that leaves open who acts: %j', async (text, problem) => {
    const { code, output } = await check('agent/a.ts', `${text}\nexport const a = 1;\n`);
    expect(code).toBe(1);
    expect(output).toContain(problem);
  });

  test.each([
    '// Waits for the users who are left.',
    '// Runs as the user `nobody`.',
    '// Who is left? The users of an old worker.',
    "export const text = 'no user is left';",
  ])('accepts %j', async (text) => {
    expect(await check('agent/a.ts', `${text}\n`)).toEqual({ code: 0, output: '' });
  });

  test('counts per 1,000 lines: seven pass, eight do not', async () => {
    const lines = (persons: number): string =>
      [...Array<string>(persons).fill('// nobody'), ...Array<string>(1000 - persons).fill('// no user')].join(
        '\n',
      );
    expect(await check('test/a.ts', lines(7))).toEqual({ code: 0, output: '' });
    expect((await check('test/a.ts', lines(8))).output).toContain('test: 8.0 of 1,000');
  });

  test('refuses he, him and his in each comment', async () => {
    const lines = Array<string>(1000).fill('// no user').join('\n');
    const { code, output } = await check('test/a.ts', `${lines}\n// The user and his sessions.\n`);
    expect(code).toBe(1);
    expect(output).toBe('test/a.ts:1001 the comment does not name who is meant: `his`\n');
  });

  test.each([
    ['README.md', 'Users\n\nwhom no source counts.', ':3 the page leaves open who acts: `whom`'],
    ['deploy/etcd.md', '```sh\nsudo -u nobody\n```\nHe waits.', ':4 the page leaves open who acts: `He`'],
    ['test/faults/REPORT.md', '[somebody](README.md) waits', ':1 the page leaves open who acts: `somebody`'],
    ['agent/a.ts', "const a = 1;\nfail('nobody answers');", ':2 the text leaves open who acts: `nobody`'],
    ['test/support/mutants/a.ts', 'name: "it hears nobody"', ':1 the text leaves open who acts: `nobody`'],
    ['test/support/wide/a.ts', "'held by nobody': 'held'", ':1 the text leaves open who acts: `nobody`'],
    ['test/faults/a.ts', '`${count} of his\nsessions`', ':1 the text leaves open who acts: `his`'],
  ])('refuses a page or a text that leaves open who acts: %s', async (file, text, problem) => {
    const { code, output } = await check(file, `${text}\n`);
    expect(code).toBe(1);
    expect(output).toBe(`${file}${problem}\n`);
  });

  test.each([
    ['README.md', '```sh\nsudo -u nobody\n```\nThe user `nobody`, [a page](#users-whom-none-counts).'],
    ['README.md', 'See https://example.org/nobody for it.'],
    ['test/faults/a.ts', "// nobody's\nconst a = `${nobody} left`; // it's the user's"],
    ['test/a.ts', "const title = 'nobody is left';"],
  ])('leaves code, links and other texts alone: %s %j', async (file, text) => {
    const lines = Array<string>(200).fill('// no user').join('\n');
    const output = await check(file, file.endsWith('.ts') ? `${text}\n${lines}\n` : `${text}\n`);
    expect(output).toEqual({ code: 0, output: '' });
  });

  test.each([
    ["test('is told DRAIN', () => 1);", 'test/a.test.ts:1 the title leaves open who does what: `told`'],
    ["describe('A', () => {\n  test.each([1])(\n    'asks nobody',\n    async () => 1);\n});", '`nobody`'],
    ['describe(`The caller and his ${name}`, () => {});', '`his`'],
  ])('refuses a title that leaves open who acts: %j', async (text, problem) => {
    const { code, output } = await check('test/a.test.ts', `${text}\n`);
    expect(code).toBe(1);
    expect(output).toContain(problem);
  });

  test('reads titles and no other text of a test', async () => {
    const text = "test('the user `nobody` gets DRAIN', () => log('it is told'));\n";
    expect(await check('test/a.test.ts', text)).toEqual({ code: 0, output: '' });
  });

  test.each([
    ['deploy/a.yaml', '# Shebang or title\n# for nobody'],
    ['haproxy/a.cfg', 'global\n  # for nobody'],
  ])('reads samples: %s', async (file, text) => {
    expect((await check(file, text)).output).toContain(`${file}:2 nobody`);
  });

  test.each([
    ['const createDesk = 1;', 'agent/a.ts: createDesk: `desk` is '],
    ['type Talk = 1;', 'agent/a.ts: Talk: `Talk` is DeadlineClient now'],
    ['const { told } = one;', 'agent/a.ts: told: `told` is '],
  ])('refuses a name that was given up: %s', async (text, problem) => {
    const { code, output } = await check('agent/a.ts', text);
    expect(code).toBe(1);
    expect(output).toContain(problem);
  });

  test.each(['test/a.ts', 'agent/lifecycle/model/record.ts'])(
    'accepts the names of schema 1 in %s',
    async (file) => {
      mkdirSync(join(root, 'agent/lifecycle/model'), { recursive: true });
      expect(await check(file, 'const { told, said } = one;\n')).toEqual({ code: 0, output: '' });
    },
  );

  test('refuses no longer name, text or comment that has one', async () => {
    const text = "const isTalking = 'desk'; // a desk\n/** A desk. */\n";
    expect(await check('agent/a.ts', text)).toEqual({ code: 0, output: '' });
  });

  test('refuses a file by a name that was given up', async () => {
    const { code, output } = await check('agent/engine/desk.ts', 'export const a = 1;\n');
    expect(code).toBe(1);
    expect(output).toBe('agent/engine/desk.ts: is called request-tracker now\n');
  });
});
