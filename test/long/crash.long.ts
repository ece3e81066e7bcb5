import { afterEach, expect, test } from '@jest/globals';
import { playCrashes, spread } from '../support/crash/campaign.ts';
import { allPoints, pointsNamed } from '../support/crash/points.ts';
import { runs } from '../support/long.ts';
import { skipped } from '../support/skip.ts';
import { Missing } from '../versions/cache.ts';
import { bringHaproxy, installedHaproxy } from '../versions/haproxies.ts';

/**
 * kill -9 of the sidecar at every write and every exchange of every verb, with and without a reload in the same moment,
 * under users who come and go: each point once on each HAProxy. One point alone:
 * `LASTCALL_CRASH='stop write 3 half reload' npm run test:long -- crash -t installed`; those of one verb or moment: `LASTCALL_CRASH=pooled`.
 */

/** Beside each other; more of them do not end sooner on two cores. A machine that is busy otherwise takes fewer. */
const SITES = Number(process.env['LASTCALL_SITES'] ?? 4);

/** A campaign that is cut off has shown something, too. */
const SAID_EVERY = 200;

const HAPROXIES = [
  { name: 'as installed', bring: installedHaproxy },
  { name: '3.0 (Debian trixie)', bring: () => bringHaproxy('trixie') },
  { name: '3.2 (Debian sid)', bring: () => bringHaproxy('sid') },
] as const;

const { PATH, LASTCALL_CRASH } = process.env;
afterEach(() => void (process.env['PATH'] = PATH));

test.each(HAPROXIES)(
  'HAProxy $name: no session lost, no second stop, no operation that does not end',
  async ({ name, bring }) => {
    const found = broughtOr(bring);
    if (found instanceof Missing) return skipped(found.message);
    process.env['PATH'] = `${found.dir}:${PATH}`;
    const all = LASTCALL_CRASH === undefined ? allPoints() : pointsNamed(LASTCALL_CRASH);
    const points = spread(all, Math.max(1, runs(all.length)));
    const say = (text: string): void => void process.stdout.write(`crash, HAProxy ${name}: ${text}\n`);
    const began = performance.now();
    const onPlayed = (runs_: number): void => {
      const minutes = Math.round((performance.now() - began) / 60_000);
      if (runs_ % SAID_EVERY === 0) say(`${runs_} of ${points.length} points after ${minutes} min`);
    };
    const { broken, ...sums } = await playCrashes({ points, sites: SITES, onBroken: say, onPlayed });
    say(`${found.version}: ${all.length} points, ${JSON.stringify(sums)}, ${broken.length} broken`);
    expect(broken).toEqual([]);
  },
);

function broughtOr(bring: () => ReturnType<typeof installedHaproxy>): ReturnType<typeof bring> | Missing {
  try {
    return bring();
  } catch (error) {
    if (error instanceof Missing) return error;
    throw error;
  }
}
