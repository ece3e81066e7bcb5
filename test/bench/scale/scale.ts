import { setTimeout as sleep } from 'node:timers/promises';
import type { SidecarsReport } from '../../fixtures/light-sidecars.ts';
import { percentile, round, type Figure, type Row } from '../figures.ts';
import { haproxiesToMeasure } from '../haproxies.ts';
import { processorMs } from '../processor.ts';
import {
  STARVED_AT_REST_PERCENT,
  STARVED_PERCENT,
  starvedIn,
  watchStarvation,
  type Starvation,
} from '../starvation.ts';
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
export async function scale({ signal }: { readonly signal: AbortSignal }): Promise<Row[]> {
  const { found, missing } = haproxiesToMeasure('many sidecars');
  const figures: Row[] = [...missing];
  for (const { dir, version } of found) {
    const options = { programDir: dir, servers: SERVERS, requestsPerSecond: REQUESTS_PER_SECOND };
    const site = await openScaleSite(options);
    try {
      await site.users.ask({ hold: DRAINING });
      for (const kind of KINDS)
        figures.push(...(await sharedBy(site, kind, `${version} by ${kind}`, signal)));
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
  readonly starved: Starvation;
}

async function sharedBy(
  site: ScaleSite,
  kind: SocketKind,
  where: string,
  signal: AbortSignal,
): Promise<Row[]> {
  const none = await watch(site, signal);
  const sidecars = await site.sidecars(kind, SIDECARS);
  const starved = watchAll(site, sidecars);
  try {
    const reports = [await sidecars.ask({ beginWithin: BEGIN_WITHIN_MS })];
    const rest = await watch(site, signal);
    reports.push(await sidecars.ask({ report: true }));
    reports.push(await sidecars.ask({ drain: DRAINING }));
    const draining = await watch(site, signal);
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

async function watch(site: ScaleSite, signal: AbortSignal): Promise<Interval> {
  await site.users.ask({ report: true });
  const starved = watchStarvation({ HAProxy: site.haproxy.pid, 'the load program': site.users.pid });
  const [cpu, began] = [processorMs(site.haproxy.pid), performance.now()];
  await sleep(WATCHED_MS, undefined, { signal });
  const percent = ((processorMs(site.haproxy.pid) - cpu) / (performance.now() - began)) * 100;
  const { ms, failed } = await site.users.ask({ report: true });
  const [p50, p99] = [percentile(ms, 0.5), percentile(ms, 0.99)];
  return { percent, p50, p99, failedUsers: failed, starved: starved() };
}

/** HAProxy, and each process of sidecars. */
function watchAll(site: ScaleSite, sidecars: SidecarGroup): () => Starvation {
  const processes = sidecars.pids.map((pid, at) => [`process ${at + 1} of sidecars`, pid]);
  return watchStarvation({ HAProxy: site.haproxy.pid, ...Object.fromEntries(processes) });
}

/** What HAProxy, or its machine, refuses; else a connection was made, and its answer did not come within two seconds. */
const REFUSED = /connection refused|takes no more connections|no connection was made in time/;

function unanswered(where: string, reports: readonly SidecarsReport[], starved: Starvation): Row[] {
  const failed = reports.flatMap((report) => report.failed);
  const answered = reports.reduce((sum, report) => sum + report.answered, 0);
  const polls = reports.flatMap((report) => report.pollMs);
  const times = [0.5, 0.99].map((share) => round(percentile(polls, share))).join(' and ');
  const { HAProxy: haproxy = 0, ...others } = starved;
  const longest = Math.max(haproxy, ...Object.values(others));
  const busy = `HAProxy waited ${round(haproxy)} % of the time for a processor, a process of sidecars up to ${round(Math.max(...Object.values(others)))} %`;
  const row = (name: string, those: readonly string[], unit: string): Row => {
    const first = those[0] === undefined ? '' : `; the first: ${those[0]}`;
    const how = `${answered} answered; a poll took ${times} ms (p50, p99); ${busy}${first}`;
    const isStarved = longest > STARVED_PERCENT;
    const machine = isStarved
      ? { machine: `more than ${STARVED_PERCENT} %: this machine is too small or too busy` }
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
      ...starvedIn('with sidecars', [now.starved], STARVED_PERCENT),
      ...starvedIn('without sidecars', [none.starved], STARVED_AT_REST_PERCENT),
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
