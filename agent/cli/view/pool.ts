import type { PoolLock, PoolReport, PoolServer, PoolWaiter } from '../../lifecycle/model/pool-report.ts';
import { age, countText, type Paint, secondsText } from './format.ts';
import { countCell, stateText } from './server-words.ts';
import { alignTable } from './table.ts';

/**
 * The whole pool for people: who is out, who waits, who failed, since when and why, and what HAProxy shows. Nothing in it
 * depends on the node that was asked.
 */
export function poolText({ at, lock, balancers }: PoolReport, now: Date, paint: Paint): string {
  const servers = balancers.flatMap((balancer) => rowsOf(balancer, paint));
  const [header = '', ...lines] = alignTable([
    ['BALANCER', 'SERVER', 'STATUS', 'FOR', 'CONN', 'QUEUE'],
    ...servers,
  ]);
  const old = isOld(at, now) ? [paint('yellow', `parts of this are ${age(at, now)} old`)] : [];
  return [...old, ...lockLines(lock, now, paint), '', paint('dim', header), ...lines].join('\n');
}

/** All nodes show the same within two seconds: a part that is older, since another was slow to answer, may have changed. */
const OLD_MS = 2_000;

function isOld(at: string, now: Date): boolean {
  return now.getTime() - Date.parse(at) > OLD_MS;
}

/** More servers of a balancer do not fit on a screen: then only those out of service are listed, at most so many. */
const MOST_ROWS = 20;
const IN_SERVICE = /^(?:UP$|no check$)/;

function rowsOf({ name, error, servers }: PoolReport['balancers'][number], paint: Paint): string[][] {
  if (error !== null) return [[name, `${countCell(null, paint)}: ${error}`]];
  if (servers.length <= MOST_ROWS) return servers.map((server) => rowOf(name, server, paint));
  const others = servers.filter(({ status }) => !IN_SERVICE.test(status));
  const more = others.length > MOST_ROWS ? `, and ${others.length - MOST_ROWS} not shown` : '';
  const rest = `${servers.length - others.length} of ${servers.length} in service${more}`;
  return [...others.slice(0, MOST_ROWS).map((server) => rowOf(name, server, paint)), [name, rest]];
}

function rowOf(
  balancer: string,
  { name, status, seconds, connections, queued }: PoolServer,
  paint: Paint,
): string[] {
  const since = seconds === null ? '' : secondsText(seconds);
  const counts = [connections, queued].map((count) => countCell(count, paint));
  const state = status === 'no check' ? status : stateText(status, paint);
  return [balancer, name, state, since, ...counts];
}

function lockLines(lock: PoolLock | null, now: Date, paint: Paint): string[] {
  if (lock === null) return ['no lock is configured: only drain.keep keeps nodes apart (pool and lock)'];
  const { pool, name, error, slots, brake, holders, waiters } = lock;
  if (error !== null) return [`pool ${pool}`, paint('red', `its lock does not answer: ${error}`)];
  const failed = holders.filter(({ state }) => state === 'failed').length;
  const head = `${paint('bold', `pool ${pool}`)}  ${holders.length} of ${countText(slots)} slots taken, ${waiters.length} waiting, ${failed} failed (brake ${countText(brake)})  ${name}`;
  if (holders.length + waiters.length === 0) return [head];
  const rows = [
    ...holders.map((one) => [
      one.node,
      one.state,
      age(one.since, now),
      `${why(one)}${one.failure === null ? '' : `: ${one.failure}`}${one.alive ? '' : lifeless(one.node)}`,
    ]),
    ...waiters
      .slice(0, MOST_ROWS)
      .map((one, index) => [one.node, `waits, place ${index + 1}`, age(one.since, now), why(one)]),
  ];
  const [header = '', ...lines] = alignTable([['NODE', 'STATE', 'FOR', 'WHY'], ...rows]);
  const more = waiters.length > MOST_ROWS ? [`and ${waiters.length - MOST_ROWS} more wait`] : [];
  return [head, '', paint('dim', header), ...lines, ...more];
}

function why({ operation, by, reason }: PoolWaiter): string {
  return `${operation} by ${by}${reason === null ? '' : ` (${reason})`}`;
}

function lifeless(node: string): string {
  return `; its sidecar does not live: if ${node} no longer exists, lastcall unlock ${node} --reason TEXT, else start its sidecar`;
}
