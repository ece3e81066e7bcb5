import type { Request, Result } from '../../../agent/lifecycle/model/api.ts';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';
import { recordOn } from './judge-disk.ts';
import type { Requests } from './judge-requests.ts';
import { forcedOf } from './knowledge.ts';
import { peek, type Peek } from './peek.ts';
import type { SimNode, Taken, World, Written } from './world.ts';

/** Whose state may be at a server, by what was written and read back: I2 is judged by it. */
export interface OwnershipTracker {
  watch(taken: Taken): void;
  written(write: Written, p: Peek): void;
  crashed(node: SimNode): void;
  booted(node: SimNode): void;
  foundAt(node: SimNode, lb: string, server: string): Admin | null;
}

interface TrackedServer {
  /** States that may be there because lastcall wrote them. */
  possible: Set<Admin>;
  /** All that was written in this outing: a state file, or a process that was stopped, may bring any of them back. */
  readonly everWritten: Set<Admin>;
  generation: number;
  unsureUntil: number;
  found: Admin | null;
  /** What force took over when the outing began: what is found is put back as this. */
  takenOver: Admin | null;
  /** Since when another hand has it in the DRAIN that it was found in, where that is followed: then nothing of ours is written. */
  followedSince: number | null;
}

/** So long after the start of a worker its state file cannot be distinguished from an operator's write. */
const WORKER_NEWS_MS = 1_000;
/** A write that failed may still be carried out for so long. */
const UNSURE_MS = 1_000;

export function createOwnershipTracker(world: World, requests: Requests): OwnershipTracker {
  const { time, verdicts } = world;
  const entries = new Map<string, TrackedServer>();

  function entryOf(node: SimNode, lb: string, server: string): TrackedServer {
    const key = `${node.index} ${lb} ${server}`;
    const { generation } = world.lb(lb);
    const entry = entries.get(key) ?? fresh(generation);
    entries.set(key, entry);
    if (entry.generation !== generation) widen(entry);
    entry.generation = generation;
    return entry;
  }

  const all = (node: SimNode, change: (entry: TrackedServer, lb: string, server: string) => void): void => {
    for (const { name, servers } of node.policy.balancers)
      for (const server of servers) change(entryOf(node, name, server), name, server);
  };

  function watch({ node, before, event, after, effects }: Taken): void {
    if (event.type === 'server-set') {
      const entry = entryOf(node, event.balancer, event.server);
      const isSure = event.startedAt >= entry.unsureUntil;
      if (isSure) entry.possible = new Set(forcedOf(event.view) === event.admin ? [event.admin] : []);
    }
    // What is there as desired cannot be distinguished from our own.
    if (event.type === 'polled')
      for (const view of event.look.servers) {
        const admin = forcedOf(view);
        noteEnded(entryOf(node, event.balancer, view.name), admin);
        if (admin === peek(before).wants(event.balancer, view.name))
          take(entryOf(node, event.balancer, view.name), admin);
      }
    if (event.type === 'server-set')
      noteEnded(entryOf(node, event.balancer, event.server), forcedOf(event.view));
    if (event.type === 'set-server-failed')
      entryOf(node, event.balancer, event.server).unsureUntil = time.now + UNSURE_MS;
    const [was, is] = [peek(before), peek(after)];
    if (is.op && is.op.id !== was.op?.id) {
      if (was.op === null && ['serving', 'unhealthy', 'returning'].includes(was.phase))
        begin(node, was, requests.find(is.op.id));
      // Forced, everything may be taken over.
      if (requests.isForcedBy(node)) all(node, takeOver);
    }
    if (is.op === null && ['serving', 'unhealthy'].includes(is.phase) && is.phase !== was.phase)
      end(node, is);
    for (const effect of effects) {
      if (effect.type === 'finish' && isCutShort(effect.result)) all(node, backInRotation);
      if (effect.type === 'reply' && effect.joins !== null && requests.find(effect.id)?.force === true)
        all(node, (entry, lb, server) => {
          foundByForce(node, was, entry, [lb, server]);
          takeOver(entry);
        });
      if (effect.type === 'set-server') take(entryOf(node, effect.balancer, effect.server), effect.admin);
    }
  }

  function begin(node: SimNode, was: Peek, request: Request | undefined): void {
    const isForced = request?.force === true;
    all(node, (entry, lb, server) => {
      const { admin, by, since, absent } = world.lb(lb).server(server);
      entry.found = admin;
      if (isForced) foundByForce(node, was, entry, [lb, server]);
      const isSeen = (node.known.looks.get(lb)?.startedAt ?? -Infinity) > since;
      const isFollowed = node.policy.foreignDrain === 'follow' && admin === 'drain' && by === 'operator';
      // `ready --force` takes it over for good.
      const isTaken =
        isForced && request.kind !== 'ready' && isSeen && by === 'operator' && !absent && admin !== 'ready';
      // What an earlier outing has left there keeps what that one found, unless READY was asked for.
      const keeps = was.wants(lb, server) !== null && (was.restoring || !was.isGivingBack);
      if (!keeps) entry.takenOver = isTaken ? admin : null;
      // One that lastcall has set too counts as ours.
      entry.followedSince = isFollowed && isSeen && !entry.possible.has(admin) ? since : null;
    });
  }

  /** Force that joins takes over what the last look showed, and that is what is put back. */
  function foundByForce(
    node: SimNode,
    was: Peek,
    entry: TrackedServer,
    [lb, server]: [string, string],
  ): void {
    const view = node.known.looks.get(lb)?.servers.find(({ name }) => name === server);
    if (!view) return;
    const forced = forcedOf(view);
    if (forced !== 'ready' && forced !== was.wants(lb, server)) entry.found = forced;
  }

  /** READY that is not ours: what was taken over has ended, by its owner or by a reload. */
  function noteEnded(entry: TrackedServer, admin: Admin): void {
    if (entry.takenOver === null || admin !== 'ready' || entry.possible.has('ready')) return;
    Object.assign(entry, { takenOver: null, found: 'ready' });
  }

  /** A balancer that was left out still hears of the return once it answers. */
  function end(node: SimNode, p: Peek): void {
    all(node, (entry, lb, server) => {
      if (p.wants(lb, server) !== null) return;
      const there = world.lb(lb).server(server);
      // What stands as it was found, if by a command of ours after a reload, is its owner's again.
      if (there.by === 'us' && there.admin !== 'ready' && there.admin === entry.found) there.by = 'operator';
      there.said.clear();
      entry.everWritten.clear();
      entry.possible.clear();
      entry.followedSince = null;
      entry.takenOver = null;
    });
  }

  /** I4: what force took over is put back as it was. I2: what is there, was seen, and can only be an operator's. */
  function written({ node, lb, server, admin, there, issued }: Written, { phase, restoring }: Peek): void {
    const { takenOver } = entryOf(node, lb.name, server.name);
    if (!lb.polls && restoring && admin === 'ready' && takenOver !== null)
      verdicts.broken('not put back', [phase, lb.name, server.name, `${takenOver} was found`]);
    // A survey or a read-back may have shown it, and then what was taken over has ended: either may be put back.
    if (server.by === 'operator' && there === 'ready') entryOf(node, lb.name, server.name).takenOver = null;
    if (lb.polls || server.by !== 'operator' || there === 'ready' || there === admin) return;
    if ((issued.known.looks.get(lb.name)?.startedAt ?? -Infinity) <= server.since) return;
    const entry = entryOf(node, lb.name, server.name);
    // A state of ours may come back from its state file, and how old a worker is HAProxy tells in whole seconds.
    if (server.since - lb.bornAt < WORKER_NEWS_MS && entry.everWritten.has(there)) return;
    const isFollowed = entry.followedSince === server.since;
    if ((!isFollowed && entry.possible.has(there)) || requests.isForcedBy(node)) return;
    verdicts.broken('operator overridden', [phase, lb.name, server.name, `${there} -> ${admin}`]);
  }

  return {
    watch,
    written,
    crashed(node) {
      // The end of an outing that the disk does not hold is none to the next life: what that wrote counts as it did.
      const record = recordOn(node);
      all(node, (entry, lb, server) => {
        for (const admin of record?.balancers[lb]?.servers[server]?.said ?? []) entry.everWritten.add(admin);
      });
      all(node, widen);
      // An alarm has everWritten that the disk is behind: the next life takes an operator's state for one of the old outing.
      if (peek(node.state).hasDiskAlarm) all(node, takeOver);
    },
    booted(node) {
      const isAdopted = node.policy.adopt && node.disk.content === null;
      // Whatever stands there at the first look is ours then.
      if (isAdopted) all(node, takeOver);
    },
    foundAt: (node, lb, server) => entryOf(node, lb, server).found,
  };
}

function fresh(generation: number): TrackedServer {
  return {
    possible: new Set(),
    everWritten: new Set(),
    generation,
    unsureUntil: -Infinity,
    found: null,
    takenOver: null,
    followedSince: null,
  };
}

/** A return whose ramp gave way to the next request: every server was READY, and that is what the next one finds. */
function isCutShort({ code, phase, operation }: Result): boolean {
  return code === 'cancelled' && phase === 'returning' && (operation === 'ready' || operation === 'restart');
}

function backInRotation(entry: TrackedServer): void {
  entry.takenOver = null;
}

/** Whatever stands there may be replaced. */
function takeOver(entry: TrackedServer): void {
  take(entry, 'drain', 'maint');
  entry.followedSince = null;
}

function take(entry: TrackedServer, ...states: readonly Admin[]): void {
  for (const state of states) {
    entry.possible.add(state);
    entry.everWritten.add(state);
  }
}

function widen(entry: TrackedServer): void {
  for (const state of entry.everWritten) entry.possible.add(state);
}
