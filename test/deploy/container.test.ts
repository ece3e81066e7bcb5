import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { LASTCALL, start } from '../support/cli.ts';
import { openRig } from '../support/rig.ts';
import { packageRoot } from '../support/sample.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';

/** The image's file, step by step, as far as that goes without an engine and a registry. */

const execute = promisify(execFile);

interface Instruction {
  readonly word: string;
  readonly rest: string;
}
interface Stage {
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

let temp: TempDir;
let stages: Stage[];
beforeAll(async () => {
  temp = await makeTempDir();
  stages = stagesOf(await readFile(join(packageRoot(), 'deploy', 'container', 'Dockerfile'), 'utf8'));
});
afterAll(() => temp.remove());

function stagesOf(text: string): Stage[] {
  const lines = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .flatMap((line) => {
      const [, word = '', rest = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
      return word === '' ? [] : [{ word, rest }];
    });
  return lines.flatMap(({ word, rest }, index) => {
    if (word !== 'FROM') return [];
    const next = lines.findIndex((line, at) => at > index && line.word === 'FROM');
    return [{ from: rest, instructions: lines.slice(index + 1, next < 0 ? undefined : next) }];
  });
}

const all = (stage: Stage | undefined, word: string): string[] =>
  (stage?.instructions ?? []).filter((one) => one.word === word).map(({ rest }) => rest);
const last = (word: string): string => all(stages.at(-1), word).at(-1) ?? '';

test('What the first stage copies and runs makes the program, which stands in the second where its entry point leads', async () => {
  const [build] = stages;
  const context = join(temp.path, 'src');
  await mkdir(context);
  // The packages of this checkout stand for what `npm ci` installs.
  await symlink(join(packageRoot(), 'node_modules'), join(context, 'node_modules'));
  expect(all(build, 'RUN')[0]).toMatch(/^npm ci /);
  for (const copy of all(build, 'COPY')) {
    const words = copy.split(' ');
    const into = words.pop() ?? '';
    for (const from of words)
      await cp(join(packageRoot(), from), join(context, into === './' ? from : into), { recursive: true });
  }
  for (const command of all(build, 'RUN').slice(1)) await execute('sh', ['-c', command], { cwd: context });
  const [, from = ''] =
    /^--from=build \/src\/(\S+) \/usr\/lib\/lastcall$/.exec(all(stages[1], 'COPY')[0] ?? '') ?? [];
  const root = join(temp.path, 'root');
  await mkdir(join(root, 'usr', 'bin'), { recursive: true });
  await cp(join(context, from), join(root, 'usr', 'lib', 'lastcall'), { recursive: true });
  const [, target = '', link = ''] = /^ln -s (\S+) (\S+)$/.exec(all(stages[1], 'RUN').at(-1) ?? '') ?? [];
  await symlink(target, join(root, link));
  const program = (JSON.parse(last('ENTRYPOINT')) as string[]).at(-1) ?? '';
  expect((await execute(join(root, program), ['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('tini is process 1, and it is not root', () => {
  expect(JSON.parse(last('ENTRYPOINT'))).toEqual(['/usr/bin/tini', '--', '/usr/bin/lastcall']);
  expect(JSON.parse(last('CMD'))).toEqual(['run']);
  const run = all(stages[1], 'RUN').join('\n');
  expect(run).toContain('--no-install-recommends tini ');
  // A number, for runAsNonRoot, and the one that owns the directories.
  const [user] = last('USER').split(':');
  expect(Number(user)).toBeGreaterThan(0);
  expect(run).toContain(`--uid ${user} `);
  expect(all(stages[1], 'VOLUME')).toEqual(['/var/lib/lastcall']);
});

describe('The health check', () => {
  test('is 0 while the sidecar answers, whatever the node does, and 1 without it', async () => {
    const check = / CMD (.*)$/.exec(last('HEALTHCHECK'))?.[1] ?? '';
    const bin = join(temp.path, 'bin');
    await mkdir(bin);
    await symlink(LASTCALL, join(bin, 'lastcall'));
    const rig = await openRig();
    try {
      const sidecar = await rig.sidecar();
      const path = `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`;
      const config = join(rig.dir, 'check.yaml');
      await writeFile(config, await readFile(join(rig.dir, 'app1.yaml')));
      const health = () => start('sh', ['-c', check], { PATH: path, LASTCALL_CONFIG: config }).outcome;
      expect(await health()).toMatchObject({ code: 0, stdout: '' });
      await sidecar.cli('drain').outcome;
      expect(await health()).toMatchObject({ code: 0, stdout: '' });
      await sidecar.stop();
      expect(await health()).toMatchObject({ code: 1 });
    } finally {
      await rig.close();
    }
  });
});

test('The image itself', () => {
  skipped('no image is built here: that needs an engine, and a registry for node:22-bookworm-slim');
});
