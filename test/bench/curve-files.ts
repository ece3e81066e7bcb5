import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../support/sample.ts';

/** Where the recorded curves stand, from the package's root. */
export const CURVES = join('test', 'bench', 'curves');

/** How many users a node in DRAIN still had, sample by sample (record-curves.ts). */
export interface Curve {
  readonly kind: string;
  /** Between two samples, in milliseconds; the first one is the DRAIN itself. */
  readonly everyMs: number;
  /** False: it was given up before the last one had left. */
  readonly drained: boolean;
  readonly counts: readonly number[];
}

/** All recorded curves. */
export async function readCurves(): Promise<Curve[]> {
  const folder = join(packageRoot(), CURVES);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).toSorted();
  return Promise.all(
    names.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as Curve),
  );
}
