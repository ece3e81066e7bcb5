import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LASTCALL, lastcall } from '../support/cli.ts';

/** The scripts in the shells that read them; a shell that is not installed here is skipped. */

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'lastcall-completion-'));
  for (const shell of ['bash', 'zsh', 'fish'])
    writeFileSync(join(dir, shell), execFileSync(process.execPath, [LASTCALL, 'completion', shell]));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const isHere = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

/** What is offered after these words, the last of which is being typed. */
const OFFERS = [
  [['lastcall', 'sta'], ['status']],
  [
    ['lastcall', 'drain', '--on-timeout', ''],
    ['force', 'hold', 'restore'],
  ],
  [['lastcall', 'drain', '--on'], ['--on-timeout']],
  [['lastcall', 'status', '--w'], ['--watch']],
  [['lastcall', 'completion', 'z'], ['zsh']],
  [['lastcall', 'drain', '--reason', ''], []],
  // `--fence` and its like stand in the help of drain alone.
  [['lastcall', 'stop', '--no-f'], []],
] as const;

describe('The completion of bash', () => {
  const offered = (words: readonly string[]): string[] => {
    const script = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lastcall; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const text = execFileSync('bash', ['-c', script, join(dir, 'bash'), ...words], { encoding: 'utf8' });
    return text.split('\n').filter((line) => line !== '');
  };

  test.each(OFFERS)('offers after %j what may follow', (words, wanted) => {
    expect(offered(words).toSorted()).toEqual([...wanted].toSorted());
  });

  test('takes the value of an option for no command', () => {
    expect(offered(['lastcall', '--config', 'stop', 'rest'])).toEqual(['restart']);
  });

  test('offers files where a file is wanted, and programs after --', () => {
    expect(offered(['lastcall', '-c', join(dir, 'zs')])).toEqual([join(dir, 'zsh')]);
    expect(offered(['lastcall', 'run', '--', 'bas'])).toContain('bash');
  });

  test('offers every command at the start', async () => {
    const { stdout } = await lastcall(['--help']).outcome;
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) (?=.{2})/gm)].map(([, name]) => name);
    expect(offered(['lastcall', ''])).toEqual(
      expect.arrayContaining(commands.filter((name) => name !== 'lastcall')),
    );
  });
});

(isHere('fish') ? test.each(OFFERS) : test.skip.each(OFFERS))(
  'The completion of fish offers after %j what may follow',
  (words, wanted) => {
    const script = `source ${join(dir, 'fish')}; complete -C '${words.join(' ')}'`;
    const lines = execFileSync('fish', ['--no-config', '-c', script], { encoding: 'utf8' }).split('\n');
    const offered = lines.flatMap((line) => (line === '' ? [] : [line.split('\t')[0] ?? '']));
    expect(offered.toSorted()).toEqual([...wanted].toSorted());
  },
);

(isHere('zsh') ? test : test.skip)('The completion of zsh is loaded, and belongs to lastcall', () => {
  const script = `autoload -Uz compinit && compinit -D -u && source ${join(dir, 'zsh')} && print $_comps[lastcall]`;
  const { stdout, stderr, status } = spawnSync('zsh', ['-f', '-c', script], { encoding: 'utf8' });
  expect({ stdout, stderr, status }).toEqual({ stdout: '_lastcall\n', stderr: '', status: 0 });
});

test('Another shell is a usage error that names those there are', async () => {
  expect(await lastcall(['completion', 'tcsh']).outcome).toMatchObject({
    code: 64,
    stdout: '',
    stderr: expect.stringMatching(/bash, zsh, fish/),
  });
});
