import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../../agent/system/error.ts';
import type { UsersReport } from '../../fixtures/steady-users.ts';
import type { Agent } from '../../support/rig.ts';
import type { Site } from '../../support/site.ts';
import { median, percentile, round, type Figure } from '../figures.ts';
import { percentilesOf } from '../percentiles.ts';
import {
  STARVED_AT_REST_PERCENT,
  STARVED_PERCENT,
  starvedIn,
  watchStarvation,
  type Starvation,
} from '../starvation.ts';
import { ENTRIES, openTableSite, REQUESTS_PER_SECOND, type TableSite } from './table-site.ts';

const RUNS = 5;
/** No further run begins after so long: fewer of them are reported as such, and judge nothing. */
const BEGIN_WITHIN_MS = 7 * 60_000;
/** Of the sidecar's log, where it goes wrong. */
const LOG_LINES = 3;
const TAIL = 0.999;
const LIMIT = 1.2;

/** What users met in a while, and what of it was this machine's doing. */
interface While {
  readonly users: UsersReport;
  readonly starved: Starvation;
}

/** One drain, and as long without one. */
interface Pair {
  readonly draining: While;
  readonly quiet: While;
  readonly seconds: number;
}

/** What users of the other nodes wait while one node drains by a stick table of a million entries, beside as long without a drain. */
export async function tableDrain(site: Site, signal: AbortSignal): Promise<Figure[]> {
  const node = site.nodes[1];
  if (node === undefined) throw new Error('the site has no second node');
  const where = await openTableSite(node, signal);
  const step = { name: '' };
  const ended = new AbortController();
  const starved = watchStarvation({ HAProxy: where.haproxy.pid, 'the load program': where.users.pid });
  try {
    return rowsOf(await Promise.race([pairsAt(where, step, signal), aborted(signal, ended.signal)]));
  } catch (error) {
    const log = where.agent.log().trimEnd().split('\n').slice(-LOG_LINES).join(' | ');
    const why = messageOf(signal.aborted ? signal.reason : error);
    const busy = starvedIn('until then', [starved()], STARVED_AT_REST_PERCENT).starved;
    const cause = busy === undefined ? why : `${why}; ${busy}`;
    throw new Error(`${step.name}: ${cause}; the sidecar's log ends with: ${log}`, { cause: error });
  } finally {
    ended.abort();
    await where.close();
  }
}

/** @param step gets what is being done, for an error that says where it came from */
async function pairsAt(where: TableSite, step: { name: string }, signal: AbortSignal): Promise<Pair[]> {
  const began = performance.now();
  step.name = `filling the table with ${ENTRIES} entries`;
  await where.fill();
  step.name = 'waiting until HAProxy is as old as they can be';
  await where.untilBelieved(signal);
  const pairs: Pair[] = [];
  while (pairs.length < RUNS && performance.now() - began < BEGIN_WITHIN_MS) {
    const run = `${pairs.length + 1} of ${RUNS}`;
    const before = `(drains so far: ${pairs.map(({ seconds }) => `${round(seconds)} s`).join(', ') || 'none'})`;
    step.name = `filling for run ${run} ${before}`;
    await where.renew();
    step.name = `drain ${run} ${before}`;
    const drainBegan = performance.now();
    const draining = await during(where, () => done(where.agent, 'drain', signal));
    const ms = performance.now() - drainBegan;
    step.name = `ready ${run} ${before}`;
    await done(where.agent, 'ready', signal);
    step.name = `${round(ms / 1_000)} s without a drain, ${run}`;
    const quiet = await during(where, () => sleep(ms, undefined, { signal }));
    pairs.push({ draining, quiet, seconds: ms / 1_000 });
    step.name = `after run ${run}`;
    await where.requireFull();
  }
  return pairs;
}

/** Until `ended`, so that nothing is left waiting on the signal of a whole run. */
async function aborted(signal: AbortSignal, ended: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort', { signal: ended });
  throw signal.reason;
}

/** The table's lines. */
export function rowsOf(pairs: readonly Pair[]): Figure[] {
  const [draining, quiet] = [pairs.map((pair) => pair.draining), pairs.map((pair) => pair.quiet)];
  const tails = (all: readonly While[]): number[] => all.map(({ users }) => percentile(users.ms, TAIL));
  const [own, other] = [tails(draining), tails(quiet)];
  const count = Math.min(...[...draining, ...quiet].map(({ users }) => users.ms.length));
  const seconds = pairs.map((pair) => round(pair.seconds)).join(', ');
  const how = `medians of ${pairs.length} drains of ${seconds} s, ${REQUESTS_PER_SECOND} requests a second, at least ${count} each`;
  return [
    {
      name: `p99.9 of traffic over a drain, ${ENTRIES} entries`,
      value: median(own),
      samples: own,
      unit: 'ms',
      kind: 'ratio',
      limit: LIMIT,
      peer: { name: 'without a drain', value: median(other), samples: other },
      how,
      ...starvedOver(draining, quiet),
      plots: [
        {
          title: `Latency of the other nodes' users, stick table of ${ENTRIES} entries`,
          across: '% of the requests',
          up: 'ms at most',
          lines: [
            { name: 'while a node drains', points: curveOf(draining) },
            { name: 'without a drain', points: curveOf(quiet) },
          ],
        },
      ],
    },
    {
      name: 'requests that failed over a drain',
      value: draining.reduce((sum, { users }) => sum + users.failed, 0),
      unit: '',
      limit: 0,
      exact: true,
      how,
    },
  ];
}

/** Without a drain nothing of lastcall's runs: what waits for a processor then, waits for others of this machine. */
function starvedOver(draining: readonly While[], quiet: readonly While[]): { readonly starved?: string } {
  const shares = (all: readonly While[]): Starvation[] => all.map(({ starved }) => starved);
  const few = `there was time for ${draining.length} of ${RUNS} runs`;
  return {
    ...starvedIn('while a node drained', shares(draining), STARVED_PERCENT),
    ...starvedIn('without a drain', shares(quiet), STARVED_AT_REST_PERCENT),
    ...(draining.length < RUNS ? { starved: few } : {}),
  };
}

function curveOf(all: readonly While[]): (readonly [number, number])[] {
  return percentilesOf(all.flatMap(({ users }) => users.ms)).slice();
}

/**
 * By the control socket: a command of its own would take the processor from HAProxy. A drain ends when it has seen that the node's users
 * are gone, and has fenced the node.
 */
async function done(agent: Agent, operation: 'drain' | 'ready', signal: AbortSignal): Promise<void> {
  const answer = await agent.client.submit({ operation, reason: 'bench' }, signal);
  const result = answer.accepted ? await agent.ends(answer.id, signal) : answer.result;
  if (!result.ok) throw new Error(`${operation} ended with ${result.code}: ${result.message}`);
}

/** What users met while `what` went on. */
async function during({ users, haproxy }: TableSite, what: () => Promise<unknown>): Promise<While> {
  await users.ask({ report: true });
  const starved = watchStarvation({ HAProxy: haproxy.pid, 'the load program': users.pid });
  await what();
  return { users: await users.ask({ report: true }), starved: starved() };
}
