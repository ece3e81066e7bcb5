import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { installedHaproxy } from '../versions/haproxies.ts';
import { packageRoot } from '../support/sample.ts';

/** Where and when a run took place. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly haproxy: string;
  /** Of lastcall, with `+ changes` where the tree differs from it. */
  readonly commit: string;
  /** ISO 8601, UTC. */
  readonly date: string;
}

/** Describes this machine and the tree that is measured. */
export function describeMachine(now: Date): Machine {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGiB: totalmem() / 2 ** 30,
    kernel: release(),
    node: process.version,
    haproxy: installedHaproxy().version,
    commit: commitOf(packageRoot()),
    date: now.toISOString(),
  };
}

/** The mean number of processes that were ready to run in the last minute. */
export function loadNow(): number {
  return loadavg()[0] ?? Number.NaN;
}

/** An unpacked archive has no commit. */
function commitOf(root: string): string {
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const commit = git('rev-parse', '--short', 'HEAD').trim();
    return git('status', '--porcelain') === '' ? commit : `${commit} + changes`;
  } catch {
    return 'no commit: not a git repository, or no git';
  }
}
