import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FullRateReport } from '../../fixtures/full-rate-users.ts';
import { packageRoot } from '../../support/sample.ts';
import { openSite, type Site } from '../../support/site.ts';
import { median, round, type Row } from '../figures.ts';
import { missingOf, SIGTERM } from '../peers/peers.ts';
import { LASTCALL, peerWay, type RestartWay, type Rounds } from './round.ts';

const USERS = join(packageRoot(), 'dist', 'test', 'fixtures', 'full-rate-users.js');
const CONNECTIONS = 64;
/** Before the first restart and after the last one. */
const SETTLE_MS = 1000;

/** Requests of one deploy: all three nodes restarted, one after the other, at the highest rate that this machine carries. */
export async function fullRate({ signal, runs }: Rounds): Promise<Row[]> {
  const name = 'at full rate: failed requests of a deploy';
  const missing = missingOf(SIGTERM.needs);
  if (missing !== null) return [{ name, missing }];
  const [naive, ours]: [FullRateReport[], FullRateReport[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    naive.push(await deployOnce(peerWay(SIGTERM), signal));
    ours.push(await deployOnce(LASTCALL, signal));
  }
  return [fullRateRow(name, naive, ours)];
}

/** The table's line. @throws Error where nothing was measured */
export function fullRateRow(
  name: string,
  naive: readonly FullRateReport[],
  ours: readonly FullRateReport[],
): Row {
  const [theirs, failed] = [naive, ours].map((reports) => reports.map((report) => report.failed));
  const [share, rate] = [naive.map((one) => one.failed / one.requests), ours.map(rateOf)].map(median);
  const [failure] = ours.flatMap(({ failures }) => failures);
  return {
    name,
    value: Math.max(...(failed ?? [])),
    unit: 'failed',
    limit: 0,
    exact: true,
    samples: failed ?? [],
    peer: { name: SIGTERM.name, value: median(theirs ?? []), samples: theirs ?? [] },
    how:
      `the worst of ${ours.length} deploys at ${round(rate ?? 0)} requests/s (full-rate-users.ts, ${CONNECTIONS} connections); ` +
      `${SIGTERM.name}: median of ${naive.length}, ${round((share ?? 0) * 100)} % of the requests of a deploy` +
      (failure === undefined ? '' : `; ${failure}`),
  };
}

function rateOf({ requests, seconds }: FullRateReport): number {
  return requests / seconds;
}

async function deployOnce(way: RestartWay, signal: AbortSignal): Promise<FullRateReport> {
  const site = await openSite({ program: 'fast-app' }, signal);
  try {
    const opened = await way.open(site, signal);
    const users = await startUsers(site);
    try {
      await sleep(SETTLE_MS, undefined, { signal });
      await reportOf(users);
      for (const node of site.nodes) await opened.restart(node, signal);
      await sleep(SETTLE_MS, undefined, { signal });
      return await reportOf(users);
    } finally {
      users.kill('SIGKILL');
      await opened.close();
    }
  } finally {
    await site.close();
  }
}

async function startUsers(site: Site): Promise<ChildProcess> {
  const users = fork(USERS, [new URL(site.url).port, String(CONNECTIONS)]);
  await once(users, 'message');
  return users;
}

/** What they met since they were asked last. */
async function reportOf(users: ChildProcess): Promise<FullRateReport> {
  users.send('report');
  const [report] = (await once(users, 'message')) as [FullRateReport];
  return report;
}
