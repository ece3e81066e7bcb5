import {
  showStream,
  shutdownSessions,
  shutdownStream,
  batch,
  toWorker,
  type Command,
} from '../../haproxy/command.ts';
import type { ServerName } from '../../haproxy/names.ts';
import { expectDone, type Reply } from '../../haproxy/reply.ts';
import { streamServer, type StreamLine } from '../../haproxy/replies/show-sess.ts';
import type { Closed, Worker } from '../../lifecycle/model/observation.ts';
import { isLastcallError } from '../../system/error.ts';
import { eachOnCurrentWorker, eachOnOldWorkers } from './connections.ts';
import type { DriverContext, Connections } from './poll.ts';
import { createTopN } from './streams.ts';
import type { DeadlineClient } from './deadline-client.ts';

/** The most connections that one call closes by pointer; a caller that wants more calls again. */
const MOST = 1_000;
/** How many pointers one line has: a line has room for 16 kB, an answer to `show sess 0x...` takes 2 kB. */
const IN_ONE_LINE = 50;

interface Target {
  readonly pointer: string;
  readonly ageSeconds: number;
  readonly stage: 'request' | 'tunnel';
  readonly worker: number;
}

interface ClosedCounts {
  tunnels: number;
  requests: number;
}

/** Ends sessions of one server: `Balancer.closeSessions`. */
export async function closeConnections(
  context: DriverContext,
  connections: Connections,
  name: ServerName,
  limit: number,
): Promise<Closed> {
  const found = await context.absences.read(connections.statsSocket.ask, name);
  const { info } = found;
  const current = context.workers.identify(info);
  const endOwn = async (): Promise<void> => {
    // A server that a reload took away has connections on old workers alone.
    if (!('absent' in found)) expectDone(await connections.statsSocket.ask(shutdownSessions(name)));
  };
  const listed = { there: !('absent' in found), limit };
  const survey = await list(context, connections, name, current, listed).catch(async (error: unknown) => {
    // A failed count does not keep connections from being closed.
    if (limit === Infinity) await endOwn();
    throw error;
  });
  const closed: ClosedCounts = { tunnels: 0, requests: 0 };
  let gone = 0;
  if (limit === Infinity) {
    await endOwn();
    closed.tunnels += survey.own.tunnels;
    closed.requests += survey.own.requests;
  }
  for (const [worker, targets] of byWorker(survey.targets)) {
    const ended = await endAll(context, connections, name, worker === info.pid ? null : worker, targets);
    for (const { stage } of ended) closed[stage === 'tunnel' ? 'tunnels' : 'requests'] += 1;
    gone += targets.length - ended.length;
  }
  const left = survey.complete ? survey.seen - closed.tunnels - closed.requests - gone : null;
  return { ...closed, left };
}

interface Listed {
  /** The connections to close by pointer, in that order. */
  readonly targets: readonly Target[];
  readonly own: ClosedCounts;
  /** All that were there, the queued included. */
  readonly seen: number;
  /** False when an old worker could not be asked. */
  readonly complete: boolean;
}

/** Every connection of the server; with no limit, HAProxy itself ends those of the current worker. */
async function list(
  context: DriverContext,
  connections: Connections,
  name: ServerName,
  current: Worker,
  { there, limit }: { readonly there: boolean; readonly limit: number },
): Promise<Listed> {
  const own: ClosedCounts = { tunnels: 0, requests: 0 };
  const targets = createTopN<Target>(Math.min(limit, MOST), firstToEnd);
  let seen = 0;
  const see = (worker: number, { pointer, ageSeconds, stage }: StreamLine): void => {
    if (stage === 'over') return;
    seen += 1;
    if (stage === 'queued') return;
    if (worker === current.pid) own[stage === 'tunnel' ? 'tunnels' : 'requests'] += 1;
    if (worker !== current.pid || limit !== Infinity) targets.add({ pointer, ageSeconds, stage, worker });
  };
  if (there) await eachOnCurrentWorker(connections, name, current.pid, (stream) => see(current.pid, stream));
  // A silent master must not keep the others from being ended.
  const complete = await eachOnOldWorkers(context, connections, name, current, see).then(
    () => true,
    incomplete,
  );
  return { targets: targets.all, own, seen, complete };
}

function incomplete(error: unknown): false {
  if (isLastcallError(error) && error.code === 'balancer-unreachable') return false;
  throw error;
}

/** Tunnels first, since requests end by themselves; of each kind the oldest. */
function firstToEnd(one: Target, other: Target): number {
  if (one.stage !== other.stage) return one.stage === 'tunnel' ? -1 : 1;
  return other.ageSeconds - one.ageSeconds;
}

function byWorker(targets: readonly Target[]): ReadonlyMap<number, readonly Target[]> {
  const found = new Map<number, Target[]>();
  for (const target of targets) found.set(target.worker, [...(found.get(target.worker) ?? []), target]);
  return found;
}

/**
 * @param old the pid of an old worker, or null for the one that answers; @returns those that HAProxy was asked to
 *   end
 */
async function endAll(
  context: DriverContext,
  { statsSocket, master }: Connections,
  name: ServerName,
  old: number | null,
  targets: readonly Target[],
): Promise<readonly Target[]> {
  const ended: Target[] = [];
  for (let from = 0; from < targets.length; from += IN_ONE_LINE) {
    const some = targets.slice(from, from + IN_ONE_LINE);
    if (old === null) ended.push(...(await endSome(statsSocket, name, some, (command) => command)));
    else if (master !== null && context.old !== null) {
      const end = (): Promise<readonly Target[]> =>
        endSome(master, name, some, (command) => toWorker(old, command));
      ended.push(...((await context.old.unlessWorkerEnded(master.ask, old, end)) ?? []));
    }
  }
  return ended;
}

/**
 * A pointer is a place in memory: since the list was made, its stream may have ended and another server's may be
 * there. So each is looked at once more, right before.
 */
async function endSome(
  client: DeadlineClient,
  name: ServerName,
  targets: readonly Target[],
  by: (command: Command) => Command,
): Promise<readonly Target[]> {
  const shown = await client.ask(by(all(targets, showStream)));
  const ours = new Set(
    shown.text
      .split(/^(?=0x[0-9a-f]+: )/m)
      .filter((block) => isOf(block, name))
      .map((block) => block.slice(0, block.indexOf(':'))),
  );
  const still = targets.filter(({ pointer }) => ours.has(pointer));
  if (still.length === 0) return [];
  const reply = await client.ask(by(all(still, shutdownStream)));
  return wereThere(still, reply);
}

function all(targets: readonly Target[], command: (pointer: string) => Command): Command {
  return batch(...targets.map(({ pointer }) => command(pointer)));
}

function isOf(block: string, { backend, server }: ServerName): boolean {
  const of = streamServer(block);
  return of?.backend === backend && of.server === server;
}

/** All but those that had ended by themselves a moment before. Done is a newline, anything else a text. */
function wereThere(targets: readonly Target[], reply: Reply): readonly Target[] {
  let { text } = reply;
  return targets.filter(() => {
    const refused = LATE.exec(text);
    if (refused === null) expectDone({ ...reply, text: text.startsWith('\n') ? '\n' : text });
    text = text.slice(refused?.[0].length ?? 1);
    return refused === null;
  });
}
const LATE = /^(\[[^\]]+\]: )?No such session[^\n]*\n\n/;
