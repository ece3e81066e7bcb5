import type { Worker } from '../lifecycle/model/observation.ts';
import type { Clock } from '../system/clock.ts';
import type { ProcessTable } from '../system/process-table.ts';
import type { Info } from './replies/show-info.ts';
import { lineageOf, mayLive, type Lineage } from './predecessors.ts';

/**
 * The largest difference of two estimates of one worker's birth: `Uptime_sec` is in whole seconds, and an answer may take two.
 */
const TOLERANCE_MS = 3_000;

/** Distinguishes the workers of one HAProxy. */
export interface Workers {
  /** The worker that answered just now: the same object as long as it is the same worker. */
  identify(info: Info): Worker;
}

/**
 * A pid is used again, in a container with each start. Another worker of the same pid started after the one before
 * it was last seen, and its uptime began anew. A start that only seems later is a HAProxy that was stopped for a
 * while.
 */
export function createWorkers(clock: Clock): Workers {
  let last: {
    readonly worker: Worker & { readonly bornAt: number };
    readonly uptimeSeconds: number;
    readonly seenAt: number;
  } | null = null;
  return {
    identify({ pid, uptimeSeconds }) {
      const seenAt = clock.now();
      const bornAt = seenAt - uptimeSeconds * 1_000;
      const isSame =
        last !== null &&
        last.worker.pid === pid &&
        uptimeSeconds >= last.uptimeSeconds - 1 &&
        (bornAt <= last.seenAt || bornAt - last.worker.bornAt <= TOLERANCE_MS);
      const worker = isSame && last !== null ? last.worker : { pid, bornAt };
      last = { worker, uptimeSeconds, seenAt };
      return worker;
    },
  };
}

/** The workers of before a reload where HAProxy runs on this machine. */
export interface OldProcesses {
  /**
   * The pids of those that live; null where they cannot be seen. /proc is searched once for each new worker, since its
   * predecessors never become more; after that those that lived are looked at.
   */
  of(worker: Worker): readonly number[] | null;
  /** The pids of its living twins (`Lineage`), as far as they are seen. */
  twinsOf(worker: Worker): readonly number[];
  /** Is this pid one of them, and alive? Null where that cannot be seen. */
  lives(pid: number): boolean | null;
}

export function createOldProcesses(table: ProcessTable, clock: Clock): OldProcesses {
  let current: Worker | null = null;
  let lineage: Lineage | null = null;
  const take = (worker: Worker): void => {
    const before = lineage;
    current = worker;
    // The process itself is the proof: a HAProxy that was stopped reports an age that does not fit any more.
    if (before?.self.pid === worker.pid && mayLive(table, before.self)) return;
    lineage = lineageOf(table, { pid: worker.pid, uptimeMs: clock.now() - (worker.bornAt ?? Infinity) });
    if (lineage === null || before === null) return;
    const { self, old } = lineage;
    const known = new Set(old.map(({ pid }) => pid));
    // No living process names a worker whose successor has ended already.
    const more = [before.self, ...before.old].filter(
      ({ pid, startTime }) =>
        !known.has(pid) && pid !== self.pid && Number(startTime) <= Number(self.startTime),
    );
    lineage = { ...lineage, old: [...old, ...more] };
  };
  /** A process that was known as old before its successor ended stays so; any other one stays unclear, for as long as it lives. */
  const isUnclear = ({ old, unclear }: Lineage): boolean =>
    unclear.some((process) => !old.some(({ pid }) => pid === process.pid) && mayLive(table, process));
  return {
    of(worker) {
      if (worker !== current) take(worker);
      if (lineage === null || isUnclear(lineage)) return null;
      const old = lineage.old.filter((process) => mayLive(table, process));
      lineage = { ...lineage, old };
      return old.map(({ pid }) => pid);
    },
    twinsOf(worker) {
      if (worker !== current) take(worker);
      if (lineage === null) return [];
      const twins = lineage.twins.filter((process) => mayLive(table, process));
      lineage = { ...lineage, twins };
      return twins.map(({ pid }) => pid);
    },
    lives(pid) {
      if (lineage === null) return null;
      return lineage.old.some((process) => process.pid === pid && mayLive(table, process));
    },
  };
}
