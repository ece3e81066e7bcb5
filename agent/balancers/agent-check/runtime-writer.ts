import type { HaproxyConfig } from '../../config/config.ts';
import type { Admin, Look, ReadBackView, ServerView } from '../../lifecycle/model/observation.ts';
import { sleep, withDeadline, type Clock } from '../../system/clock.ts';
import { againAfterReload } from '../../haproxy/spoilt-by-reload.ts';
import { LastcallError } from '../../system/error.ts';
import type { AgentCheckServer } from './server.ts';
import type { Balancer, ServerWeight } from '../balancer.ts';
import { announceWeight } from './weight.ts';
import { createAnnouncer, type Announcer, type SeenServer } from './announcer.ts';
import { forcedOf } from '../../haproxy/server-view.ts';
import { createCallerMatch } from './caller-match.ts';
import { createSharedPoll } from './shared-poll.ts';
import { ACK_TIMEOUT_MS } from '../poller-acks.ts';

/** HAProxy obeys a line within milliseconds of reading it. */
const READ_BACK_MS = 25;

export interface WriterPorts {
  /** The same HAProxy by its Runtime API, to read; level operator is enough, except for `closeSessions`. */
  readonly reader: Balancer;
  readonly server: AgentCheckServer;
  readonly clock: Clock;
}

/**
 * A HAProxy that is counted by its Runtime API and set by agent-check: its pollers are answered with the desired
 * state until the Runtime API shows it, and after that as long as the state is ours, which restores it after a
 * reload.
 *
 * The pollers are recognised by the address of the Runtime API (this machine, for a socket file or a loopback
 * address); with more than one server also by `agent-send "BACKEND/SERVER\n"`, since each has a state of its own.
 */
export function createAgentCheckWriter(config: HaproxyConfig, ports: WriterPorts): Balancer {
  const { reader, server, clock } = ports;
  const callers = createCallerMatch(config.address);
  const announcers = new Map<string, Announcer>();
  const lookWithAgents = async (...terms: Parameters<Balancer['look']>): Promise<Look> => {
    const seen = await reader.look(...terms);
    for (const view of seen.servers) {
      if (view.absent === undefined) announcers.get(view.name)?.observe({ view, worker: seen.worker });
    }
    return seen;
  };
  const look = async (...terms: Parameters<Balancer['look']>): Promise<Look> =>
    withoutAgents(await lookWithAgents(...terms));
  // A poll is answered by the server's state alone, many times a minute, also while nothing is drained.
  const sharedLook = createSharedPoll(clock, (signal) => look(signal, 'leave'));
  for (const name of config.servers) {
    const id = config.servers.length > 1 ? name : null;
    const observe = async (): Promise<SeenServer> => pick(await sharedLook(), name, reader.name);
    const announcer = createAnnouncer({ id, covers: (caller) => callers.covers(caller), observe, clock });
    announcers.set(name, announcer);
    server.add(announcer.subscription);
  }
  const writingOf = (name: string): Writing => ({
    target: `${name} at ${reader.name}`,
    announcer: announcerOf(announcers, name, reader.name),
    clock,
    observe: async (signal) => pick(await look(signal), name, reader.name),
  });

  return {
    name: reader.name,
    servers: reader.servers,
    counts: reader.counts,
    seesOldWorkers: reader.seesOldWorkers,
    look,
    async survey(signal, scope, before) {
      // These come in the middle of an operation: they wait for no poll.
      if (scope === 'capacity' || scope === 'relatives')
        return withoutAgents(await reader.survey(signal, scope, before));
      await callers.resolve();
      // Without this look a HAProxy that is gone, or has no such server, would be waited for like one that does not poll.
      const { servers } = await againAfterReload(clock, signal, () => lookWithAgents(signal));
      throwIfUnasked(servers, reader.name);
      if (servers.every(({ absent }) => absent === undefined))
        await Promise.all(config.servers.map((name) => polled(writingOf(name), signal)));
      return withoutAgents(await reader.survey(signal, scope, before));
    },
    async set(name, admin, mayReplace, signal) {
      const writing = writingOf(name);
      await callers.resolve();
      return write(writing, admin, mayReplace, signal);
    },
    ...(reader.weightOf && { setWeight: weightSetter(reader.weightOf, callers, writingOf) }),
    holders: (name, signal) => reader.holders(name, signal),
    ...(reader.backendServers && { backendServers: reader.backendServers }),
    ...(reader.readServers && { readServers: reader.readServers }),
    closeSessions: (name, limit, signal) => reader.closeSessions(name, limit, signal),
  };
}

function weightSetter(
  weightOf: NonNullable<Balancer['weightOf']>,
  callers: ReturnType<typeof createCallerMatch>,
  writingOf: (name: string) => Writing,
): NonNullable<Balancer['setWeight']> {
  return async (name, request, signal) => {
    const writing = writingOf(name);
    await callers.resolve();
    const read = (own: AbortSignal): Promise<ServerWeight | null> => weightOf(name, own);
    return announceWeight({ ...writing, read, late: notAcked(writing, 'set its weight') }, request, signal);
  };
}

/** The agent-check of these servers is ours: no other program's, which could undo what we set. */
function withoutAgents<L extends Look>(seen: L): L {
  return { ...seen, servers: seen.servers.map(({ agent: _own, ...view }) => view) };
}

/**
 * `show stat` names the agent-check of each server that has one, from its first moment on: without one no poll will ever come.
 * @throws LastcallError `config`
 */
function throwIfUnasked(servers: readonly ServerView[], balancer: string): void {
  const unasked = servers.find(({ absent, agent }) => absent === undefined && agent === undefined);
  if (unasked === undefined) return;
  const target = `${unasked.name} at ${balancer}`;
  throw new LastcallError(
    'config',
    `${target}: HAProxy has no agent-check for it, or it is disabled, and \`writer: agent-check\` sets its state by nothing else`,
    {
      target,
      elapsedMs: 0,
      next: `write \`agent-check agent-port PORT\` on its server line, or \`enable agent ${unasked.name}\` at HAProxy`,
    },
  );
}

interface Writing {
  readonly target: string;
  readonly announcer: Announcer;
  readonly clock: Clock;
  observe(signal: AbortSignal): Promise<SeenServer>;
}

async function write(
  writing: Writing,
  admin: Admin,
  mayReplace: readonly Admin[],
  signal: AbortSignal,
): Promise<ReadBackView> {
  const { announcer, clock } = writing;
  const found = await writing.observe(signal);
  const forced = forcedOf(found.view);
  const there = forced === admin;
  if (!there && !mayReplace.includes(forced)) {
    announcer.stop();
    return answerOf(found);
  }
  const takeBack = announcer.announce(admin, mayReplace);
  announcer.observe(found);
  if (there) return answerOf(found);
  const late = notAcked(writing, `set ${admin}`);
  try {
    return await withDeadline(clock, ACK_TIMEOUT_MS, signal, late, (own) =>
      readBack(writing, admin, mayReplace, own),
    );
  } catch (error) {
    takeBack();
    throw error;
  }
}

/** Waits until the state has been answered, then polls until HAProxy shows it or another one. */
async function readBack(
  writing: Writing,
  admin: Admin,
  mayReplace: readonly Admin[],
  signal: AbortSignal,
): Promise<ReadBackView> {
  const { announcer, clock } = writing;
  await announcer.acks.waitUntil(() => announcer.acks.anyAcked(), signal);
  for (;;) {
    const seen = await writing.observe(signal);
    const forced = forcedOf(seen.view);
    if (forced === admin) return answerOf(seen);
    if (!mayReplace.includes(forced)) {
      announcer.stop();
      return answerOf(seen);
    }
    await sleep(clock, READ_BACK_MS, signal);
  }
}

function answerOf({ view, worker }: SeenServer): ReadBackView {
  return worker === null ? view : { ...view, worker };
}

/** Resolves once HAProxy has polled: without a poll no state can be answered. */
function polled(writing: Writing, signal: AbortSignal): Promise<void> {
  const { announcer, clock } = writing;
  const late = notAcked(writing, 'begin');
  return withDeadline(clock, ACK_TIMEOUT_MS, signal, late, (own) =>
    announcer.acks.waitUntil(() => announcer.acks.hasPollers(), own),
  );
}

function notAcked({ target, announcer, clock }: Writing, what: string): () => LastcallError {
  const start = clock.now();
  return () => {
    const detail = { target, elapsedMs: clock.now() - start };
    if (announcer.acks.anyAcked()) {
      return new LastcallError(
        'failed',
        `${target}: agent-check answered a poll from its address (${what}), but HAProxy does not show it`,
        {
          ...detail,
          next: 'look at agent_status and last_agt of this server in `show stat`: another process may have polled in its place, or writes its state',
        },
      );
    }
    const polls = announcer.acks.hasPollers()
      ? 'its polls could not be answered with a state'
      : 'no agent-check poll came from it';
    return new LastcallError('balancer-unreachable', `${target}: cannot ${what}: ${polls}`, {
      ...detail,
      next: 'see that the server has `agent-check agent-port PORT`, and `agent-send "BACKEND/SERVER\\n"` where several poll',
    });
  };
}

function pick(look: Look, name: string, balancer: string): SeenServer {
  const view = look.servers.find((server) => server.name === name);
  if (view === undefined) throw noSuchServer(name, balancer);
  return { view, worker: look.worker };
}

function announcerOf(announcers: ReadonlyMap<string, Announcer>, name: string, balancer: string): Announcer {
  const announcer = announcers.get(name);
  if (announcer === undefined) throw noSuchServer(name, balancer);
  return announcer;
}

function noSuchServer(name: string, balancer: string): LastcallError {
  return new LastcallError('no-such-server', `${balancer} has no server ${name} of this node`, {
    target: name,
    next: 'compare `servers` in the configuration with `show servers state` of this HAProxy',
  });
}
