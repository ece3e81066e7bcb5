import { setTimeout as sleep } from 'node:timers/promises';
import type { FullRateReport } from '../../fixtures/full-rate-users.ts';
import { startChildProgram } from '../../support/child-program.ts';
import { openSite } from '../../support/site.ts';
import { withLimit } from '../../support/with-limit.ts';
import { median, round, worst, type Row } from '../figures.ts';
import { missingOf, SIGTERM } from '../peers/peers.ts';
import { DEADLINE_MS, LASTCALL, peerWay, type RestartWay, type Rounds } from './round.ts';

const CONNECTIONS = 64;
/** Before the first restart and after the last one. */
const SETTLE_MS = 1000;
/** Any message asks for what the users met since the last one. */
const REPORT = { report: true };

/** A deploy more says nothing new: the worst one counts. */
export const FULL_RATE_RUNS = 5;

/** Requests of one deploy: all three nodes restarted, one after the other, at the highest rate that this machine carries. */
export async function fullRate({ signal, runs }: Rounds): Promise<Row[]> {
  const name = 'at full rate: failed requests of a deploy';
  const missing = missingOf(SIGTERM.needs);
  if (missing !== null) return [{ name, missing }];
  const [naive, ours]: [FullRateReport[], FullRateReport[]] = [[], []];
  for (let run = 0; run < Math.min(runs, FULL_RATE_RUNS); run++) {
    naive.push(await deployOnce(peerWay(SIGTERM), signal));
    ours.push(await deployOnce(LASTCALL, signal));
  }
  return [fullRateRow(name, naive, ours)];
}

/** What was not asked so often was not at full rate. */
const FEWEST_REQUESTS = 1_000;

/** The table's line. @throws Error where nothing was measured, or a plain restart failed no request either: then no loss would be seen */
export function fullRateRow(
  name: string,
  naive: readonly FullRateReport[],
  ours: readonly FullRateReport[],
): Row {
  const [theirs = [], failed = []] = [naive, ours].map((reports) => reports.map((report) => report.failed));
  const few = [...naive, ...ours].find(({ requests }) => requests < FEWEST_REQUESTS);
  if (few !== undefined) throw new Error(`only ${few.requests} requests in ${round(few.seconds)} s`);
  if (worst(theirs) === 0)
    throw new Error(`${SIGTERM.name} failed no request, so this site shows no failure`);
  const [share, rate] = [naive.map((one) => one.failed / one.requests), ours.map(rateOf)].map(median);
  const [failure] = ours.flatMap(({ failures }) => failures);
  return {
    name,
    value: worst(failed),
    unit: 'failed',
    limit: 0,
    exact: true,
    samples: failed,
    peer: { name: SIGTERM.name, value: median(theirs), samples: theirs },
    how:
      `the worst of ${ours.length} deploys at ${round(rate ?? 0)} requests/s (full-rate-users.ts, ${CONNECTIONS} connections); ` +
      `${SIGTERM.name}: median of ${naive.length}, ${round((share ?? 0) * 100)} % of the requests of a deploy` +
      (failure === undefined ? '' : `; ${failure}`),
  };
}

function rateOf({ requests, seconds }: FullRateReport): number {
  return requests / seconds;
}

function deployOnce(way: RestartWay, signal: AbortSignal): Promise<FullRateReport> {
  return withLimit(signal, DEADLINE_MS, (limited) => deployWithin(way, limited));
}

async function deployWithin(way: RestartWay, signal: AbortSignal): Promise<FullRateReport> {
  const site = await openSite({ program: 'fast-app' }, signal);
  try {
    const opened = await way.open(site, signal);
    const words = [new URL(site.url).port, String(CONNECTIONS)];
    const users = await startChildProgram<typeof REPORT, FullRateReport>('full-rate-users', words);
    try {
      await sleep(SETTLE_MS, undefined, { signal });
      await users.ask(REPORT);
      for (const node of site.nodes) await opened.restart(node, signal);
      await sleep(SETTLE_MS, undefined, { signal });
      return await users.ask(REPORT);
    } finally {
      await users.kill();
      await opened.close();
    }
  } finally {
    await site.close();
  }
}
