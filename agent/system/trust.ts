import type { BigIntStats, Stats } from 'node:fs';

/** Whether a file can only have been written by us, or by root. */

const OTHERS_MAY_WRITE = 0o022;

/**
 * Why a file or directory may have been written by another user; null when it cannot.
 * @param stat of what is open, so that it cannot be exchanged after this look
 * @param owners users besides root and ourselves who may have written it
 */
export function whyNotTrusted(
  { uid, mode }: Pick<Stats | BigIntStats, 'uid' | 'mode'>,
  owners: readonly number[] = [],
): string | null {
  if (!isTrustedOwner(Number(uid), owners)) return `it belongs to uid ${uid}`;
  const written = Number(mode) & OTHERS_MAY_WRITE;
  if (written === 0) return null;
  return `${(written & 0o002) === 0 ? 'its group' : 'every user'} may write to it`;
}

/**
 * Why a file may be at a place that its owner never gave it: any user who may make hard links chose another name
 * for it.
 */
export function whyNotAlone({ nlink }: Pick<Stats | BigIntStats, 'nlink'>): string | null {
  return Number(nlink) > 1 ? `it has ${nlink} names (hard links)` : null;
}

/** Root, ourselves, or one of `owners`. */
export function isTrustedOwner(uid: number, owners: readonly number[] = []): boolean {
  return uid === 0 || uid === process.geteuid?.() || owners.includes(uid);
}
