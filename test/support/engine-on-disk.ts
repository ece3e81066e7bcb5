import { afterEach } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { createEngine } from '../../agent/engine/engine.ts';
import { createLastRuns } from '../../agent/engine/last-runs.ts';
import type { PersistedFile } from '../../agent/engine/state-file.ts';
import type { FleetLock } from '../../agent/fleet/lock.ts';
import type { Journal } from '../../agent/journal/journal.ts';
import type { Request, Result } from '../../agent/lifecycle/model/api.ts';
import { OWN_TERMS, type PoolPolicy } from '../../agent/lifecycle/model/policy.ts';
import { emptyBalancer } from './empty-balancer.ts';
import { ManualClock } from './manual-clock.ts';
import { memoryLog } from './memory-log.ts';
import { POLICY } from './world/scene.ts';

/** Engines on a disk that the test holds up, each closed after its test. */

/** A node without users: a drain of it goes through by itself. */
const policy = {
  ...POLICY,
  sources: [],
  userSources: [],
  appSources: [],
  quietMs: 0,
  sticky: false,
  hasProbe: false,
};

interface Write {
  done(): void;
  fail(): void;
}

/** A disk that writes at once, but for files with the result of one operation, which wait for the test. */
export function createDisk() {
  let file: PersistedFile | null = null;
  let heldId: string | null = null;
  const held: Write[] = [];
  const isHeld = ({ results = [] }: PersistedFile): boolean => results.some(({ id }) => id === heldId);
  const journal: Journal = {
    load: () => Promise.resolve(file ? { kind: 'record', record: file } : { kind: 'none' }),
    save: (record) =>
      new Promise((resolve, reject) => {
        const written = record as PersistedFile;
        const done = (): void => {
          file = written;
          resolve();
        };
        if (isHeld(written)) held.push({ done, fail: () => reject(new Error('the disk is full')) });
        else done();
      }),
  };
  return {
    journal,
    file: () => file,
    held,
    holdEndOf: (id: string) => void (heldId = id),
    /** What waits gets there, or does not; so does all that comes after it. */
    goOn(how: keyof Write) {
      heldId = null;
      for (const write of held.splice(0)) write[how]();
    },
  };
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

interface Shared {
  readonly clock?: ManualClock;
  readonly lock?: FleetLock;
  readonly pool?: PoolPolicy;
}

export async function startEngine(
  disk: ReturnType<typeof createDisk>,
  lastRuns = createLastRuns(),
  { clock = new ManualClock(), lock, pool }: Shared = {},
) {
  const log = memoryLog();
  const own = createEngine(
    { ...policy, pool: pool ?? null },
    {
      clock,
      random: () => 0.5,
      log,
      balancers: [emptyBalancer()],
      sources: [],
      stopper: null,
      starter: null,
      rebooter: null,
      identify: () => null,
      probing: null,
      gate: null,
      lock: lock ?? null,
      warners: [],
      journal: disk.journal,
      bootId: 'boot',
      lastRuns,
    },
  );
  cleanups.push(async () => {
    disk.goOn('fail');
    await own.close();
  });
  const told: Result[] = [];
  own.watch({ status: () => undefined, result: (result) => told.push(result) });
  await own.start();
  /** Lets everything happen that happens within a second. */
  const settle = async (): Promise<void> => {
    for (let turns = 0; turns < 100; turns += 1) {
      clock.advance(10);
      await turn();
    }
  };
  return { engine: own, clock, log, told, settle };
}

export const request = (id: string, terms: Partial<Request> = {}): Request => ({
  ...OWN_TERMS,
  id,
  kind: 'drain',
  reason: 'why',
  by: 'test',
  ...terms,
});
