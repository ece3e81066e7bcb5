import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CrowdedSite } from '../crowded-site.ts';
import type { CrashPlace } from './place.ts';
import { packageRoot } from '../sample.ts';
import { recordAt } from '../state-file.ts';
import type { KillPoint } from './points.ts';

/** What the sidecar loads so that it can be killed at a write. */
export const KILL_AT_WRITE = join(packageRoot(), 'test', 'fixtures', 'kill-at-write.mjs');

/** A poll that is repeated in one and the same state is met so often; those after it are no other moments. */
const REPEATS = 2;

/** Of one run. */
export interface Killer {
  /** From here on nothing is counted or killed. */
  disarm(): void;
}

/** The file by which the sidecar's preloaded module knows its write (kill-at-write.mjs). */
export const orderOf = (place: CrowdedSite): string => join(place.site.dir, 'kill-at');

let lastRun = 0;

/** @param kill ends the sidecar that is in service when the point comes */
export function arm(place: CrashPlace, kill: () => Promise<void>, point: KillPoint): Killer {
  const { recorder, master, state } = place;
  const order = orderOf(place);
  const run = `run${++lastRun}`;
  writeFileSync(order, point.what === 'write' ? `${run} ${point.n} ${point.moment}` : `${run} 0 none`);
  const seen = new Map<string, number>();
  let exchanges = 0;
  /** The numbers of those that HAProxy has and the sidecar has no answer to; 0 = a repetition. */
  const open = new Map<string, number[]>();
  const isMet = (n: number, moment: string): boolean =>
    point.what === 'exchange' && point.n === n && point.moment === moment;
  const before = async (line: string): Promise<'drop' | undefined> => {
    const inState = `${recordAt(state)?.phase} ${line}`;
    const times = (seen.get(inState) ?? 0) + 1;
    seen.set(inState, times);
    const n = times <= REPEATS ? ++exchanges : 0;
    open.set(line, [...(open.get(line) ?? []), n]);
    if (!isMet(n, 'before')) return undefined;
    await kill();
    return 'drop';
  };
  const after = async (line: string): Promise<void> => {
    const n = open.get(line)?.shift();
    if (n !== undefined && isMet(n, 'after')) await kill();
  };
  for (const one of [recorder, master]) {
    one.before(before);
    one.after(after);
  }
  return {
    disarm() {
      rmSync(order, { force: true });
      recorder.clear();
      master.clear();
    },
  };
}
