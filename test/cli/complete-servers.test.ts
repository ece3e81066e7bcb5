import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { completeServers } from '../../agent/cli/complete-servers.ts';
import { realClock } from '../../agent/system/clock.ts';
import { LASTCALL, lastcall } from '../support/cli.ts';
import { type Haproxy, startHaproxy } from '../support/haproxy.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** The servers that a shell offers behind `--server`, from the HAProxy that the line names. */

const run = promisify(execFile);

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
    const of = (line: string): Promise<readonly string[]> => completeServers(line, realClock);
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
    expect(await lastcall(['complete-servers', line]).outcome).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });

  test('are none after 300 ms of a HAProxy that does not answer', async () => {
    const began = performance.now();
    expect(
      await completeServers(`lastcall drain --haproxy ${join(dir.path, 'silent.sock')} `, realClock),
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
