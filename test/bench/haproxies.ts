import { bringHaproxy, installedHaproxy } from '../versions/haproxies.ts';
import { Missing, type Found } from '../versions/cache.ts';
import type { MissingFigure } from './figures.ts';

/** The HAProxys to measure beside: the installed one, and a newer one; a row for it says why where it cannot be had. */
export function haproxiesToMeasure(what: string): {
  readonly found: readonly Found[];
  readonly missing: readonly MissingFigure[];
} {
  const installed = installedHaproxy();
  try {
    return { found: [installed, bringHaproxy('sid')], missing: [] };
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    const why = `${error.message}: apt-get install patchelf, and a Debian mirror that is reached, bring it`;
    return { found: [installed], missing: [{ name: `${what}, a newer HAProxy`, missing: why }] };
  }
}
