import { setTimeout as sleep } from 'node:timers/promises';
import type { SidecarsReport } from '../../fixtures/light-sidecars.ts';
import { percentile, round, type Figure, type Row } from '../figures.ts';
import { haproxiesToMeasure } from '../haproxies.ts';
import { processorMs, waitedForProcessorMs } from '../processor.ts';
import { openScaleSite, type ScaleSite, type SidecarGroup, type SocketKind } from './site.ts';

const SERVERS = 1_000;
const SIDECARS = 200;
/** The figures for so many are those of 200, multiplied: each poll costs the same, whatever the number of pollers. */
const EXTRAPOLATED = 1_000;
/** As many as a pool of 200 may take out at a time, each with one user left: HAProxy is never asked more often. */
const DRAINING = 10;
const REQUESTS_PER_SECOND = 100;
const BEGIN_WITHIN_MS = 15_000;
const WATCHED_MS = 8_000;
const KINDS: readonly SocketKind[] = ['unix', 'tls'];

/** What one HAProxy pays for 200 sidecars, and what its users notice: at rest, and while ten of them drain. */
export async function scale(): Promise<Row[]> {
  const { found, missing } = haproxiesToMeasure('many sidecars');
  const figures: Row[] = [...missing];
  for (const { dir, version } of found) {
    const options = { programDir: dir, servers: SERVERS, requestsPerSecond: REQUESTS_PER_SECOND };
    const site = await openScaleSite(options);
    try {
      await site.users.ask({ hold: DRAINING });
      for (const kind of KINDS) figures.push(...(await sharedBy(site, kind, `${version} by ${kind}`)));
    } finally {
      await site.close();
    }
  }
  return figures;
}

/** A while of one HAProxy. */
interface Interval {
  /** Of one core. */
  readonly percent: number;
  readonly p50: number;
  readonly p99: number;
  readonly failedUsers: number;
}

async function sharedBy(site: ScaleSite, kind: SocketKind, where: string): Promise<Row[]> {
  const none = await watch(site);
  const sidecars = await site.sidecars(kind, SIDECARS);
  const starved = starvationOf(site, sidecars);
  try {
    const reports = [await sidecars.ask({ beginWithin: BEGIN_WITHIN_MS })];
    const rest = await watch(site);
    reports.push(await sidecars.ask({ report: true }));
    reports.push(await sidecars.ask({ drain: DRAINING }));
    const draining = await watch(site);
    reports.push(await sidecars.ask({ report: true }), await sidecars.ask({ undo: true }));
    return [
      ...unanswered(where, reports, starved()),
      ...atRest(where, { none, now: rest, limit: LIMITS[kind].rest }),
      cost(`${where}: the same, ${DRAINING} of them draining`, {
        none,
        now: draining,
        limit: LIMITS[kind].draining,
      }),
      ...noticed(where, none, draining),
    ];
  } finally {
    await sidecars.kill();
  }
}

/** Of one core, in percent: 1.2 ms of a handshake for each poll by TLS. */
const LIMITS: Readonly<Record<SocketKind, { readonly rest: number; readonly draining: number }>> = {
  unix: { rest: 5, draining: 10 },
  tcp: { rest: 5, draining: 10 },
  tls: { rest: 25, draining: 60 },
};

async function watch(site: ScaleSite): Promise<Interval> {
  await site.users.ask({ report: true });
  const [cpu, began] = [processorMs(site.haproxy.pid), performance.now()];
  await sleep(WATCHED_MS);
  const percent = ((processorMs(site.haproxy.pid) - cpu) / (performance.now() - began)) * 100;
  const { ms, failed } = await site.users.ask({ report: true });
  return { percent, p50: percentile(ms, 0.5), p99: percentile(ms, 0.99), failedUsers: failed };
}

/** How much of the time HAProxy, and the process of sidecars that was worst off, were ready to run and had no processor. */
type Starved = Readonly<Record<'haproxy' | 'sidecars', number>>;

/** Begins to measure; answers with the percents since then. */
function starvationOf(site: ScaleSite, sidecars: SidecarGroup): () => Starved {
  const pids = [site.haproxy.pid, ...sidecars.pids];
  const [before, began] = [pids.map(waitedForProcessorMs), performance.now()];
  return () => {
    const ms = performance.now() - began;
    const [haproxy = 0, ...others] = pids.map(
      (pid, at) => ((waitedForProcessorMs(pid) - (before[at] ?? 0)) / ms) * 100,
    );
    return { haproxy, sidecars: Math.max(...others) };
  };
}

/** From so many percent on it is this machine that does not answer in time: each of them shares two cores with all others. */
const STARVED = 25;
/** What HAProxy, or its machine, refuses; else a connection was made, and its answer did not come within two seconds. */
const REFUSED = /connection refused|takes no more connections|no connection was made in time/;

function unanswered(where: string, reports: readonly SidecarsReport[], starved: Starved): Row[] {
  const failed = reports.flatMap((report) => report.failed);
  const answered = reports.reduce((sum, report) => sum + report.answered, 0);
  const polls = reports.flatMap((report) => report.pollMs);
  const times = [0.5, 0.99].map((share) => round(percentile(polls, share))).join(' and ');
  const busy = `HAProxy waited ${round(starved.haproxy)} % of the time for a processor, a process of sidecars up to ${round(starved.sidecars)} %`;
  const row = (name: string, those: readonly string[], unit: string): Row => {
    const first = those[0] === undefined ? '' : `; the first: ${those[0]}`;
    const how = `${answered} answered; a poll took ${times} ms (p50, p99); ${busy}${first}`;
    const isStarved = Math.max(starved.haproxy, starved.sidecars) > STARVED;
    const machine = isStarved
      ? { machine: `more than ${STARVED} %: this machine is too small or too busy` }
      : {};
    return { name, value: those.length, unit, limit: 0, exact: true, how, ...machine };
  };
  return [
    row(
      `${where}: refused connections`,
      failed.filter((text) => REFUSED.test(text)),
      'calls',
    ),
    row(
      `${where}: unanswered within 2 s`,
      failed.filter((text) => !REFUSED.test(text)),
      'calls',
    ),
  ];
}

interface Compared {
  readonly none: Interval;
  readonly now: Interval;
  readonly limit: number;
}

function cost(name: string, { none, now, limit }: Compared): Figure {
  const extra = now.percent - none.percent;
  const how = `${round(now.percent)} - ${round(none.percent)}`;
  return { name, value: extra, unit: '% of a core', limit, how };
}

function atRest(where: string, compared: Compared): Figure[] {
  const figure = cost(`${where}: HAProxy's extra time, ${SIDECARS} at rest`, compared);
  const times = EXTRAPOLATED / SIDECARS;
  const many = {
    name: `${where}: the same for ${EXTRAPOLATED}, by arithmetic`,
    value: figure.value * times,
    unit: figure.unit,
    limit: figure.limit * times,
    how: `that of ${SIDECARS}, ${times} times`,
  };
  return [figure, many];
}

function noticed(where: string, none: Interval, now: Interval): Row[] {
  const how = `${REQUESTS_PER_SECOND} requests a second: p50 ${round(now.p50)} ms, without sidecars ${round(none.p50)} ms; p99 ${round(now.p99)} and ${round(none.p99)} ms`;
  return [
    {
      name: `${where}: users' p50`,
      value: now.p50,
      unit: 'ms',
      kind: 'ratio',
      limit: 2,
      peer: { name: 'without sidecars', value: none.p50 },
      how,
    },
    {
      name: `${where}: users' requests that failed`,
      value: none.failedUsers + now.failedUsers,
      unit: 'requests',
      limit: 0,
      exact: true,
      how: `with and without sidecars`,
    },
  ];
}
