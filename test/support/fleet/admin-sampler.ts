import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../haproxy.ts';

/** What HAProxy says of a server: takes new users, only those it knows, or none at all. */
export type Admin = 'ready' | 'drain' | 'maint';

/** All servers of one backend at one balancer in one answer. */
export interface AdminSample {
  /** When the answer was whole, in monotonic milliseconds. */
  readonly at: number;
  readonly socket: string;
  readonly servers: ReadonlyMap<string, Admin>;
}

/** Reads the admin states at each HAProxy again and again, and keeps what matters. */
export interface AdminSampler {
  /** The greatest number of servers in MAINT in one answer. */
  mostFenced(): number;
  /** The greatest number of servers in MAINT or DRAIN in one answer. */
  mostOut(): number;
  /** The longest time, in milliseconds, for which more than `slots` servers were out without a break at one balancer. */
  longestOver(slots: number): number;
  /** The samples with more than `slots` servers out, for the message of a test. */
  over(slots: number): readonly AdminSample[];
  /** The longest time between two answers of one balancer, in milliseconds: what is shorter may have been missed. */
  longestGap(): number;
  readonly samples: readonly AdminSample[];
  /** Ends it with a last look at each balancer. @throws Error when one could not be read, now or meanwhile */
  stop(): Promise<void>;
}

const EVERY_MS = 50;
/** Bits of `srv_admin_state` (management guide, `show servers state`): forced, inherited, by configuration, by resolution. */
const MAINT_BITS = 0x01 | 0x02 | 0x04 | 0x20;
const DRAIN_BITS = 0x08 | 0x10;

/** Begins at once; resolves with the first answer of each balancer. @param sockets admin sockets */
export async function startAdminSampler(sockets: readonly string[], backend: string): Promise<AdminSampler> {
  const samples: AdminSample[] = [];
  const stopping = new AbortController();
  const look = async (socket: string): Promise<void> => {
    samples.push({ at: performance.now(), socket, servers: await adminsAt(socket, backend) });
  };
  await Promise.all(sockets.map(look));
  const watching = Promise.all(sockets.map((socket) => repeat(() => look(socket), stopping.signal)));
  // The failure is reported by `stop`.
  watching.catch(() => undefined);
  const mostOf = (count: (servers: AdminSample['servers']) => number): number =>
    Math.max(...samples.map(({ servers }) => count(servers)));
  return {
    samples,
    mostFenced: () => mostOf((servers) => countOf(servers, ['maint'])),
    mostOut: () => mostOf(outOf),
    longestOver: (slots) => Math.max(0, ...sockets.map((socket) => longestOver(samples, socket, slots))),
    over: (slots) => samples.filter(({ servers }) => outOf(servers) > slots),
    longestGap: () => Math.max(0, ...sockets.flatMap((socket) => gaps(samples, socket))),
    async stop() {
      stopping.abort();
      await watching;
      await Promise.all(sockets.map(look));
    },
  };
}

/** The admin states of a backend's servers, read from `show servers state`. */
export async function adminsAt(socket: string, backend: string): Promise<ReadonlyMap<string, Admin>> {
  const [, head = '', ...rows] = (await ask(socket, `show servers state ${backend}`)).split('\n');
  const columns = head.replace(/^# /, '').split(' ');
  const [name, state] = [columns.indexOf('srv_name'), columns.indexOf('srv_admin_state')];
  const servers = rows.filter((row) => row !== '').map((row) => row.split(' '));
  if (name < 0 || state < 0 || servers.length === 0) throw new Error(`no servers of ${backend} at ${socket}`);
  return new Map(servers.map((fields) => [fields[name] ?? '', adminOf(Number(fields[state]))]));
}

function adminOf(bits: number): Admin {
  if ((bits & MAINT_BITS) !== 0) return 'maint';
  return (bits & DRAIN_BITS) === 0 ? 'ready' : 'drain';
}

/** At its own pace: a look that took long shortens the pause after it. */
async function repeat(look: () => Promise<void>, stopping: AbortSignal): Promise<void> {
  while (!stopping.aborted) {
    const begun = performance.now();
    await look();
    await pause(Math.max(0, begun + EVERY_MS - performance.now()), stopping);
  }
}

async function pause(ms: number, stopping: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal: stopping });
  } catch (error) {
    if (!stopping.aborted) throw error;
  }
}

function countOf(servers: AdminSample['servers'], wanted: readonly Admin[]): number {
  return [...servers.values()].filter((admin) => wanted.includes(admin)).length;
}

function outOf(servers: AdminSample['servers']): number {
  return countOf(servers, ['maint', 'drain']);
}

function longestOver(samples: readonly AdminSample[], socket: string, slots: number): number {
  let since: number | null = null;
  let longest = 0;
  for (const { at, servers } of samples.filter((sample) => sample.socket === socket)) {
    if (outOf(servers) <= slots) since = null;
    else longest = Math.max(longest, at - (since ??= at));
  }
  return longest;
}

function gaps(samples: readonly AdminSample[], socket: string): number[] {
  const times = samples.filter((sample) => sample.socket === socket).map(({ at }) => at);
  return times.slice(1).map((at, index) => at - (times[index] ?? at));
}
