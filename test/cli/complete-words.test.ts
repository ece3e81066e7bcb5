import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { completeWords } from '../../agent/cli/complete-words.ts';
import type { CliPorts } from '../../agent/cli/ports.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LASTCALL, lastcall } from '../support/cli.ts';
import { type Haproxy, startHaproxy } from '../support/haproxy.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** What a shell offers that only a live process knows: servers behind `--server`, nodes behind `unlock`. */

const run = promisify(execFile);
/** What these two kinds ask of the command line's ports. */
const PORTS = { clock: realClock, env: {}, hostname: () => 'test' } as unknown as CliPorts;

let dir: TempDir;
let haproxy: Haproxy;
let silent: Server;
beforeAll(async () => {
  dir = await makeTempDir();
  haproxy = await startHaproxy(
    `defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
backend app
  server app1 127.0.0.1:1
  server app2 127.0.0.1:2
backend img
  server i1 127.0.0.1:3
`,
  );
  silent = createServer().listen(join(dir.path, 'silent.sock'));
  await once(silent, 'listening');
  const program = join(dir.path, 'lastcall');
  await writeFile(program, `#!/bin/sh\nexec ${process.execPath} ${LASTCALL} "$@"\n`);
  await chmod(program, 0o755);
});
afterAll(async () => {
  silent.close();
  await haproxy.stop();
  await dir.remove();
});

describe('The servers that are offered', () => {
  test('are those of each HAProxy of the line', async () => {
    const names = ['app/app1', 'app/app2', 'img/i1'];
    const of = (line: string): Promise<readonly string[]> => completeWords('servers', line, PORTS);
    expect(await of(`lastcall drain --haproxy ${haproxy.socket} --server a`)).toEqual(names);
    expect(
      await of(`lastcall stop --haproxy=unix:${haproxy.socket} --haproxy '${haproxy.socket}' --server `),
    ).toEqual(names);
  });

  test.each([
    ['no HAProxy', 'lastcall drain --server '],
    ['an address that is none', 'lastcall drain --haproxy nonsense --server '],
    ['no such socket', 'lastcall drain --haproxy /nonexistent --server '],
    ['an open quote', `lastcall drain --reason 'dep`],
    ['tls without its files', 'lastcall drain --haproxy tls://127.0.0.1:1 --server '],
  ])('are none, without an error, where the line names %s', async (_what, line) => {
    expect(await lastcall(['complete-words', 'servers', line]).outcome).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });

  test('are none after 300 ms of a HAProxy that does not answer', async () => {
    const began = performance.now();
    expect(
      await completeWords('servers', `lastcall drain --haproxy ${join(dir.path, 'silent.sock')} `, PORTS),
    ).toEqual([]);
    expect(performance.now() - began).toBeGreaterThan(250);
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

/** The script of a shell, and a `lastcall` that it finds. */
async function inShell(shell: string, args: (script: string) => readonly string[]): Promise<string> {
  const script = join(dir.path, `completion.${shell}`);
  await writeFile(script, (await lastcall(['completion', shell]).outcome).stdout);
  const env = { ...process.env, PATH: `${dir.path}:${process.env['PATH']}` };
  return (await run(shell, [...args(script)], { env })).stdout;
}

test('Bash offers them', async () => {
  const line = `lastcall drain --haproxy ${haproxy.socket} --server app/`;
  const words = line.split(' ');
  const code = `source "$0"; COMP_LINE="$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lastcall; printf '%s\\n' "\${COMPREPLY[@]}"`;
  expect(await inShell('bash', (script) => ['-c', code, script, line, ...words])).toBe(
    'app/app1\napp/app2\n',
  );
});

const fish = await run('fish', ['-c', 'true']).then(
  () => true,
  () => false,
);
const zsh = await run('zsh', ['-c', 'true']).then(
  () => true,
  () => false,
);
test('Fish offers them', async () => {
  if (!fish) return skipped('fish is not here');
  const line = `lastcall drain --haproxy ${haproxy.socket} --server app/`;
  const shown = await inShell('fish', (script) => [
    '--no-config',
    '-c',
    `source ${script}; complete -C '${line}'`,
  ]);
  const names = shown.split('\n').map((offered) => offered.split('\t')[0] ?? '');
  expect(names.toSorted((one, other) => one.localeCompare(other))).toEqual(['', 'app/app1', 'app/app2']);
});

/** `lastcall` as a program that names the words with which it was called. */
async function echoed(shell: string, code: (script: string) => readonly string[]): Promise<string> {
  const there = join(dir.path, 'echo');
  await mkdir(there, { recursive: true });
  const script = join(there, `completion.${shell}`);
  await writeFile(script, (await lastcall(['completion', shell]).outcome).stdout);
  await writeFile(join(there, 'lastcall'), '#!/bin/sh\necho "$1-$2"\n', { mode: 0o755 });
  const env = { ...process.env, PATH: `${there}:${process.env['PATH']}` };
  return (await run(shell, [...code(script)], { env })).stdout;
}

test('Bash asks for the nodes behind `unlock`', async () => {
  const code = `source "$0"; COMP_LINE='lastcall unlock '; COMP_WORDS=(lastcall unlock ''); COMP_CWORD=2; _lastcall; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const offered = (await echoed('bash', (script) => ['-c', code, script])).trim().split('\n');
  expect(offered).toEqual(expect.arrayContaining(['--reason', 'complete-words-nodes']));
});

test('Fish asks for the nodes behind `unlock`', async () => {
  if (!fish) return skipped('fish is not here');
  const code = (script: string): string => `source ${script}; complete -C 'lastcall unlock '`;
  const shown = await echoed('fish', (script) => ['--no-config', '-c', code(script)]);
  expect(shown.split('\n')).toContain('complete-words-nodes');
});

test('Zsh asks for the nodes behind `unlock`', async () => {
  if (!zsh) return skipped('zsh is not here');
  // Completion itself needs a terminal; the function that it calls does not.
  const code = `autoload -Uz compinit && compinit -D -u; source "$0"; compadd() { print -l \${(P)2}; }; BUFFER='lastcall unlock '; _lastcall_nodes`;
  expect(await echoed('zsh', (script) => ['-f', '-c', code, script])).toBe('complete-words-nodes\n');
  const { stdout: made } = await lastcall(['completion', 'zsh']).outcome;
  const [, unlock = ''] = made.split('    unlock) _arguments');
  expect(unlock.split(';;')[0]).toContain(`'1:word:_lastcall_nodes'`);
});
