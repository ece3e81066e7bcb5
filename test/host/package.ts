import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../support/sample.ts';

/**
 * Packs lastcall and installs it as a user does.
 * @param work an empty directory for both
 * @returns the prefix into which `npm install --global` has put the package
 */
export function installPackage(work: string): string {
  const root = packageRoot();
  const npm = (...words: readonly string[]): void => {
    process.stderr.write(`host: npm ${words.join(' ')}\n`);
    execFileSync('npm', words, { cwd: root, stdio: ['ignore', process.stderr, process.stderr] });
  };
  const prefix = join(work, 'prefix');
  npm('pack', '--silent', '--pack-destination', work);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  npm('install', '--silent', '--global', '--prefix', prefix, join(work, `lastcall-${version}.tgz`));
  return prefix;
}
