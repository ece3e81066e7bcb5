import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../support/sample.ts';

// Programs of other versions, brought from elsewhere and kept outside of git, below node_modules/.cache.

/** The directory of package.json. */
export const ROOT = packageRoot();
/** Suites and releases move; after so long the program is brought again. */
const FRESH_MS = 7 * 24 * 60 * 60 * 1000;

/** An end that its message explains: a program could not be brought. */
export class Missing extends Error {}

/** A program of one version. */
export interface Found {
  /** Directory of the program, for PATH. */
  readonly dir: string;
  readonly version: string;
  /** Why this is an old copy; null for a fresh one. */
  readonly note: string | null;
}

/**
 * A program of one version, from the cache while it is fresh; else `bring` fills an empty directory. An old copy that
 * cannot be brought again is used as it is.
 * @param name of its directory below node_modules/.cache
 * @param bring throws Missing
 * @param versionOf asks the program itself; throws Missing where it does not run
 * @throws Missing when there is no copy at all
 */
export function cached(
  name: string,
  bring: (dir: string) => void,
  versionOf: (dir: string) => string,
): Found {
  const dir = join(ROOT, 'node_modules', '.cache', name);
  const kept = read(dir, versionOf);
  if (kept !== null && Date.now() - kept.at < FRESH_MS) return { dir, version: kept.version, note: null };
  try {
    // Programs are patched with their own path, so they are brought to where they stay.
    if (kept !== null) renameSync(dir, `${dir}.old`);
    return { dir, version: fill(dir, bring, versionOf), note: null };
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    if (!(error instanceof Missing) || kept === null) throw error;
    renameSync(`${dir}.old`, dir);
    return { dir, version: kept.version, note: `an old copy is used, since ${error.message}` };
  } finally {
    rmSync(`${dir}.old`, { recursive: true, force: true });
  }
}

function fill(dir: string, bring: (dir: string) => void, versionOf: (dir: string) => string): string {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  bring(dir);
  const version = versionOf(dir);
  writeFileSync(join(dir, 'brought'), String(Date.now()));
  return version;
}

/** Null where nothing was brought to its end, or it runs no more (a repository that was moved or copied). */
function read(dir: string, versionOf: (dir: string) => string): { at: number; version: string } | null {
  try {
    return { at: Number(readFileSync(join(dir, 'brought'), 'utf8')), version: versionOf(dir) };
  } catch {
    return null;
  }
}
