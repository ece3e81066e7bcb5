import type { Event } from '../../../agent/lifecycle/model/event.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import type { ServerView } from '../../../agent/lifecycle/model/observation.ts';

interface Looked {
  readonly startedAt: number;
  readonly at: number;
  readonly servers: readonly ServerView[];
  /** When the first of the failed looks since came back; null = the last one was good. */
  readonly lostAt: number | null;
}

/**
 * What one sidecar can know: its events, kept apart from the lifecycle's own memory. What is older than this is
 * known, what is younger may be missed.
 */
export interface Knowledge {
  readonly looks: ReadonlyMap<string, Looked>;
  /** The last answer of each source; null = an error. */
  readonly counts: ReadonlyMap<string, number | null>;
  /** When the last good answer of a source that counts users was asked for; of the kernel. */
  readonly usersCountedAt: number;
  readonly kernelCountedAt: number;
  /** An event showed that the application lives, and none since then that it has ended. */
  readonly appLives: boolean;
  /** When the last look at the lock that showed a slot of this node was begun; null = the last one showed none. */
  readonly heldAt: number | null;
  /** It had ended by the record, and nothing of this life has shown that: another hand may have started it since. */
  readonly isGoneByRecord: boolean;
  /** When it was told that the application has ended, last. */
  readonly goneAt: number;
}

/** Nothing yet: a sidecar that was just started. */
export const NOTHING: Knowledge = {
  looks: new Map(),
  counts: new Map(),
  usersCountedAt: -Infinity,
  kernelCountedAt: -Infinity,
  appLives: true,
  heldAt: null,
  isGoneByRecord: false,
  goneAt: -Infinity,
};

/** The knowledge after one more event. Pure. */
export function learn(known: Knowledge, event: Event, policy: Policy): Knowledge {
  const appLives =
    livesBy(event, policy, known.goneAt) ?? (known.appLives && !isSeenGone(known, event, policy));
  const goneAt = appLives || !known.appLives ? known.goneAt : event.at;
  const next = appLives === known.appLives ? known : { ...known, appLives, goneAt, isGoneByRecord: false };
  if (event.type === 'lock-answered')
    return {
      ...next,
      heldAt: event.view.holders.some(({ claim }) => claim.id === event.id) ? event.view.begun : null,
    };
  if (event.type === 'polled') return looked(next, event.balancer, event, event.look.servers);
  if (event.type === 'surveyed') return looked(next, event.balancer, event, event.survey.servers);
  if (event.type === 'server-set') return readBack(next, event);
  if (event.type === 'poll-failed') return lost(next, event.balancer, event.at);
  if (event.type === 'counted') return counted(next, event, policy);
  if (event.type === 'count-failed') return { ...next, counts: answered(known, event.source, null) };
  return next;
}

/** Whether the event shows that the application lives; undefined = neither. */
function livesBy(event: Event, { appSources }: Policy, goneAt: number): boolean | undefined {
  const { type } = event;
  if (type === 'stopped' || type === 'app-gone' || (type === 'stop-checked' && event.outcome === 'gone'))
    return false;
  const isUp = type === 'probed' && event.health === 'up';
  // A count that was asked for before its end says nothing.
  const isCounted = type === 'counted' && appSources.includes(event.source) && event.startedAt > goneAt;
  return isUp || isCounted || type === 'started' || type === 'app-back' ? true : undefined;
}

/** This life sees what the record says: by the probe, or without one by a look that finds nothing. */
function isSeenGone({ isGoneByRecord }: Knowledge, event: Event, { hasProbe }: Policy): boolean {
  if (!isGoneByRecord) return false;
  if (hasProbe) return event.type === 'probed' && event.health === 'down';
  if (event.type !== 'life') return false;
  const { counts, servers, open, processes } = event.signs;
  return Object.keys(counts).length + servers.length + open.length + processes.length === 0;
}

function lost(known: Knowledge, balancer: string, at: number): Knowledge {
  const old = known.looks.get(balancer);
  if (!old || old.lostAt !== null) return known;
  return { ...known, looks: new Map(known.looks).set(balancer, { ...old, lostAt: at }) };
}

/** A write is answered by what stands there now. */
function readBack(
  known: Knowledge,
  { balancer, view, startedAt }: Extract<Event, { type: 'server-set' }>,
): Knowledge {
  const old = known.looks.get(balancer);
  if (!old || startedAt < old.startedAt) return known;
  const servers = old.servers.map((one) => (one.name === view.name ? view : one));
  return { ...known, looks: new Map(known.looks).set(balancer, { ...old, servers }) };
}

function answered(known: Knowledge, source: string, count: number | null): Knowledge['counts'] {
  return known.counts.get(source) === count ? known.counts : new Map(known.counts).set(source, count);
}

function counted(
  known: Knowledge,
  { source, startedAt, count }: Extract<Event, { type: 'counted' }>,
  policy: Policy,
): Knowledge {
  const usersCountedAt = policy.userSources.includes(source) ? startedAt : known.usersCountedAt;
  const kernelCountedAt = policy.kernelSource === source ? startedAt : known.kernelCountedAt;
  return {
    ...known,
    counts: answered(known, source, count),
    usersCountedAt: Math.max(known.usersCountedAt, usersCountedAt),
    kernelCountedAt: Math.max(known.kernelCountedAt, kernelCountedAt),
  };
}

function looked(
  known: Knowledge,
  balancer: string,
  { startedAt, at }: { readonly startedAt: number; readonly at: number },
  servers: readonly ServerView[],
): Knowledge {
  const old = known.looks.get(balancer);
  if (old && startedAt < old.startedAt) return known;
  return { ...known, looks: new Map(known.looks).set(balancer, { startedAt, at, servers, lostAt: null }) };
}

/** The server as that balancer last showed it. */
export function viewOf(known: Knowledge, balancer: string, server: string): ServerView | undefined {
  return known.looks.get(balancer)?.servers.find(({ name }) => name === server);
}

/** What a command has set there, whatever lies over it. */
export function forcedOf({ admin, over }: ServerView): ServerView['admin'] {
  return over?.forced ?? admin;
}
