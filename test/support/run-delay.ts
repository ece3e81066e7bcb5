import { readdirSync, readFileSync } from 'node:fs';
import { errnoOf } from '../../agent/system/error.ts';

/**
 * For how long processes had no processor, as the kernel counts it: field 2 of /proc/PID/task/TID/schedstat is the time that a
 * thread was ready to run and waited (Documentation/scheduler/sched-stats.rst), in nanoseconds; `steal` of /proc/stat is the time
 * that the hypervisor took from a processor of this machine, in hundredths of a second (proc_stat(5)). A process that hangs, sleeps,
 * waits for a disk or has been stopped by a signal waits for no processor, and has none of it.
 */

/** One look: when, and what had been waited in all until then; both in milliseconds. */
export interface DelaySample {
  /** On the clock of `performance.now()`. */
  readonly atMs: number;
  readonly waitedMs: number;
}

/** Of one thread, or the steal of one processor, oldest first. */
export interface DelaySeries {
  readonly name: string;
  readonly samples: readonly DelaySample[];
}

/** A time in which something had no processor. */
export interface ProcessorWait {
  readonly name: string;
  readonly ms: number;
}

export interface WatchedProcess {
  readonly name: string;
  readonly pid: number;
  /** Every thread of it serves, and not only the first one. */
  readonly isThreaded?: true;
}

/**
 * What has to have a processor so that a campaign goes on: this process with its users, HAProxy, the sidecar and the nodes.
 * @param haproxy the pid of the master, or of the only process
 */
export function processesOf(
  haproxy: number,
  sidecar: { readonly pid: number } | null,
  nodes: readonly { readonly name: string; readonly pidFile: string }[],
): readonly WatchedProcess[] {
  const workers = (read(`/proc/${haproxy}/task/${haproxy}/children`) ?? '').trim().split(' ');
  return [
    { name: 'the campaign', pid: process.pid },
    ...(sidecar === null ? [] : [{ name: 'the sidecar', pid: sidecar.pid }]),
    ...[haproxy, ...workers.map(Number)].map((pid) => ({ name: 'HAProxy', pid, isThreaded: true as const })),
    ...nodes.map(({ name, pidFile }) => ({ name, pid: Number(read(pidFile) ?? 0) })),
  ].filter(({ pid }) => pid > 0);
}

const LOOK_EVERY_MS = 100;
/** A wait is one standstill where so much of its time was waited. */
const COVERED = 0.8;
const STEAL_FIELD = 8;
const TICK_MS = 10;

/**
 * Looks at the processes until it is ended.
 * @param processes asked at each look: those that live now
 * @returns ends it; what was seen
 */
export function watchRunDelay(processes: () => readonly WatchedProcess[]): () => readonly DelaySeries[] {
  const seen = new Map<string, DelaySample[]>();
  const look = (): void => {
    const atMs = performance.now();
    for (const [name, waitedMs] of [...processes().flatMap(delaysOf), ...steals()]) {
      const samples = seen.get(name) ?? [];
      seen.set(name, samples);
      samples.push({ atMs, waitedMs });
    }
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MS);
  return () => {
    clearInterval(timer);
    look();
    return [...seen].map(([name, samples]) => ({ name, samples }));
  };
}

/** The longest time within these two in which one of them did nothing but wait (four fifths of it at least). */
export function longestWait(
  series: readonly DelaySeries[],
  fromMs: number,
  toMs: number,
): ProcessorWait | null {
  return longest(
    series.map(({ name, samples }) => ({ name, ms: longestOf(within(samples, fromMs, toMs), fromMs, toMs) })),
  );
}

/** What the one that waited most waited in all between these two. */
export function mostWaited(
  series: readonly DelaySeries[],
  fromMs: number,
  toMs: number,
): ProcessorWait | null {
  return longest(
    series.map(({ name, samples }) => {
      const looks = within(samples, fromMs, toMs);
      const waited = (looks.at(-1)?.waitedMs ?? 0) - (looks[0]?.waitedMs ?? 0);
      return { name, ms: Math.min(waited, toMs - fromMs) };
    }),
  );
}

function longest(waits: readonly ProcessorWait[]): ProcessorWait | null {
  const [most] = waits.filter(({ ms }) => ms > 0).toSorted((one, other) => other.ms - one.ms);
  return most === undefined ? null : { ...most, ms: Math.round(most.ms) };
}

/** With the first look after them: it is the one that has the wait in which they ended. */
function within(samples: readonly DelaySample[], fromMs: number, toMs: number): readonly DelaySample[] {
  const after = samples.findIndex(({ atMs }) => atMs >= toMs);
  return samples.slice(0, after < 0 ? undefined : after + 1).filter(({ atMs }) => atMs >= fromMs);
}

/** The kernel counts a wait when it ends: what is added at a look may be more than the time since the look before. */
function longestOf(looks: readonly DelaySample[], fromMs: number, toMs: number): number {
  let most = 0;
  for (const [at, end] of looks.entries()) {
    for (const begin of looks.slice(0, at)) {
      const waited = end.waitedMs - begin.waitedMs;
      const isCovered = waited >= COVERED * (end.atMs - begin.atMs);
      if (isCovered) most = Math.max(most, Math.min(waited, end.atMs - fromMs, toMs - fromMs));
    }
  }
  return most;
}

type Named = readonly [name: string, waitedMs: number];

/** Of a process that has ended meanwhile: nothing. */
function delaysOf({ name, pid, isThreaded }: WatchedProcess): readonly Named[] {
  const tasks = `/proc/${pid}/task`;
  const threads = isThreaded === true ? listed(tasks) : [String(pid)];
  return threads.flatMap((thread) => {
    const [, waitedNs] = (read(`${tasks}/${thread}/schedstat`) ?? '').split(' ');
    return waitedNs === undefined ? [] : [[`${name} (${thread})`, Number(waitedNs) / 1e6] as const];
  });
}

function steals(): readonly Named[] {
  const processors = (read('/proc/stat') ?? '').split('\n').filter((line) => /^cpu\d/.test(line));
  return processors.map((line) => {
    const fields = line.split(' ');
    return [`${fields[0]}, taken by the hypervisor`, Number(fields[STEAL_FIELD]) * TICK_MS] as const;
  });
}

function listed(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    return hasEnded(error, []);
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return hasEnded(error, null);
  }
}

function hasEnded<T>(error: unknown, nothing: T): T {
  if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return nothing;
  throw error;
}
