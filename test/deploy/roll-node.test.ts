import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

const script = fileURLToPath(new URL('../../deploy/roll-node.sh', import.meta.url));

/** Writes down how it was called, prints its JSON, and ends with the code that the test wants of this verb. */
const RECORDER = `#!/bin/sh
printf '%s\\n' "$*" >>"$DIR/calls"
echo '{"operation":"'"$1"'"}'
eval "exit \\\${$1:-0}"
`;

/** Writes down that it ran. */
const STEP = `#!/bin/sh
printf 'step %s\\n' "$*" >>"$DIR/calls"
echo 'words of the step'
exit "\${step:-0}"
`;

let temp: TempDir;
beforeEach(async () => {
  temp = await makeTempDir();
  await writeFile(join(temp.path, 'lastcall'), RECORDER, { mode: 0o755 });
  await writeFile(join(temp.path, 'step'), STEP, { mode: 0o755 });
});
afterEach(() => temp.remove());

interface Rolled {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly calls: readonly string[];
}

/** @param codes the exit code of a verb, or of the step; 0 where it is not named */
async function roll(codes: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Rolled> {
  const env = { PATH: process.env['PATH'], LASTCALL: join(temp.path, 'lastcall'), DIR: temp.path, ...codes };
  const ran = await new Promise<Omit<Rolled, 'calls'>>((resolve) => {
    execFile(script, args, { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
  const calls = await readFile(join(temp.path, 'calls'), 'utf8').catch(() => '');
  return { ...ran, calls: calls.split('\n').filter((line) => line !== '') };
}

const step = (): string => join(temp.path, 'step');

describe('The script that rolls one node', () => {
  test('restarts it where there is nothing to do in between', async () => {
    const { code, stdout, calls } = await roll({}, '-r', 'weekly recycle', '-t', '30m', '-c', '/etc/x.yaml');
    expect(code).toBe(0);
    expect(calls).toEqual(['restart --json --reason weekly recycle --config /etc/x.yaml --timeout 30m']);
    expect(JSON.parse(stdout)).toEqual({ operation: 'restart' });
  });

  test('runs the step between stop and ready, its output kept apart from the JSON', async () => {
    const { code, stdout, stderr, calls } = await roll({}, '-r', 'deploy 41', step(), 'a b', '-r');
    expect(code).toBe(0);
    expect(calls).toEqual([
      'stop --json --reason deploy 41',
      'step a b -r',
      'ready --json --reason deploy 41',
    ]);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([{ operation: 'stop' }, { operation: 'ready' }]);
    expect(stderr).toContain('words of the step');
  });

  test.each([
    ['75', 'try again later'],
    ['124', 'not done in time'],
    ['69', 'cannot be reached'],
    ['70', 'ended with 70'],
    ['78', 'configuration'],
    ['130', 'ended with 130'],
  ])('goes no further when the stop ends with %s, passes it on and says: %s', async (wanted, words) => {
    const { code, stderr, calls } = await roll({ stop: wanted }, '-r', 'x', step());
    expect(code).toBe(Number(wanted));
    expect(stderr).toContain(words);
    expect(calls).toEqual(['stop --json --reason x']);
  });

  test('leaves the node out when the step fails, and says how to bring it back', async () => {
    const { code, stderr, calls } = await roll({ step: '3' }, '-r', 'x', step());
    expect(code).toBe(1);
    expect(stderr).toContain('failed with 3');
    expect(stderr).toContain('lastcall ready');
    expect(calls).toEqual(['stop --json --reason x', 'step ']);
  });

  test('passes on that the node did not come back healthy', async () => {
    const { code, stderr } = await roll({ ready: '70' }, step());
    expect(code).toBe(70);
    expect(stderr).toContain('ready: ended with 70');
    expect(stderr).toContain('out of service');
  });

  test('changes nothing when it is called wrongly, or when its step does not exist', async () => {
    expect(await roll({}, '-x')).toMatchObject({ code: 64, calls: [] });
    expect(await roll({}, join(temp.path, 'missing'))).toMatchObject({ code: 64, calls: [] });
    const { code, stderr } = await roll({ LASTCALL: '/nonexistent/lastcall' });
    expect(code).toBe(127);
    expect(stderr).toContain('cannot run /nonexistent/lastcall');
  });

  test('runs no step after a signal to end, and prints where the node is', async () => {
    // A stop that takes until it is let go, as a drain does.
    const slow = `#!/bin/sh\nprintf '%s\\n' "$1" >>"$DIR/calls"\necho begun\nread -r line\n`;
    await writeFile(join(temp.path, 'lastcall'), slow, { mode: 0o755 });
    const env = { PATH: process.env['PATH'], LASTCALL: join(temp.path, 'lastcall'), DIR: temp.path };
    const child = spawn(script, [step()], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    const closed = once(child, 'close');
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    child.stdin.end('\n');
    expect(await closed).toEqual([143, null]);
    expect(stderr).toContain('interrupted during: lastcall stop');
    expect(await readFile(join(temp.path, 'calls'), 'utf8')).toBe('stop\n');
  });

  test('is clean by shellcheck', async () => {
    const found = await new Promise<string>((resolve) => {
      execFile('shellcheck', [script], (error, stdout) =>
        resolve(error?.code === 'ENOENT' ? 'ENOENT' : stdout),
      );
    });
    if (found === 'ENOENT') return skipped('shellcheck is not installed');
    expect(found).toBe('');
  });
});
