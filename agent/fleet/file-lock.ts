import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Claim, PoolView, SlotHolder } from '../lifecycle/model/pool.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { bootId, inspectProcess, isRunning, startTimeOf } from '../system/process.ts';
import {
  documentText,
  type EntryOwner,
  type LockDocument,
  type QueueEntry,
  readDocument,
  type SlotEntry,
} from './file-document.ts';
import { writtenClaim, writtenLine } from './entry-guards.ts';
import { askExclusively, type FileQuestion } from './exclusive-question.ts';
import { assertTrusted } from './lock-directory.ts';
import type { FleetLock } from './lock.ts';
import { isTurn, viewOf } from './pool-queue.ts';
import { latest, makeVersions, replace, UnreadableVersion } from './versions.ts';

/**
 * The lock of the nodes of one machine, each of which may run as a user of its own: a directory that their common group may
 * write to. A slot is an entry of its file and outlives its process; that a holder lives is seen by its pid and its start
 * time. Processes of another boot have ended; one of another pid namespace, or hidden in /proc, is taken for alive.
 */

export interface FileLockPorts {
  readonly clock: Clock;
  /** The process that proves that its holders live; this one where it is not given. */
  readonly owner?: EntryOwner;
}

/**
 * @param path the directory; made where it is missing, mode 0770
 * @param pool what `look` shows
 */
export function createFileLock(
  path: string,
  pool: string,
  { clock, owner: self = processOwner(process.pid) }: FileLockPorts,
): FleetLock {
  const name = `file ${path}`;
  const ask = <T>(signal: AbortSignal, work: (question: FileQuestion) => Promise<T>): Promise<T> =>
    askExclusively({ name, path, owner: self, clock }, signal, work);
  const changed = (claim: Claim, signal: AbortSignal, to: Step): Promise<PoolView> =>
    ask(signal, async (question) => poolOf(claim.pool, await change(path, question, to), question.begun));

  return {
    name,
    take: (claim, signal) =>
      changed(claim, signal, (document, { number }) =>
        taken(document, writtenClaim(claim), self, { number, since: clock.wall().getTime() }),
      ),
    look: (signal) => ask(signal, async ({ begun }) => poolOf(pool, (await read(path)).document, begun)),
    mark: (claim, state, why, signal) =>
      changed(claim, signal, (document, { number }) => {
        const held = document.holders.find((one) => one.claim.id === claim.id);
        if (held === undefined) throw notHeld(name, claim);
        const marked = { claim: writtenClaim(claim), state, failure: why === null ? null : writtenLine(why) };
        const isMarked = held.state === state && held.failure === marked.failure;
        if (isMarked && isSameClaim(held.claim, marked.claim)) return document;
        return withHolder(document, { ...held, ...marked, owner: self, changed: number });
      }),
    give: (claim, signal) => changed(claim, signal, (document) => without(document, claim.id)),
    free: ({ claim, revision, alive }, signal) =>
      ask(signal, async (question) => {
        let isFreed = false;
        await change(path, question, (document, { wasWritten }) => {
          const held = document.holders.find((one) => one.claim.id === claim.id);
          // A holder that was taken for dead, and has gone on meanwhile, keeps its slot.
          const isAsRead =
            held !== undefined && revisionOf(held) === revision && (alive || !isAlive(held.owner));
          isFreed = held === undefined ? wasWritten : isAsRead;
          return isFreed ? without(document, claim.id) : document;
        });
        return isFreed;
      }),
    close: async () => undefined,
  };
}

/** A process as the entries of the file name it. @throws LastcallError `config` where /proc does not show the boot */
export function processOwner(pid: number): EntryOwner {
  return { boot: bootId(), namespace: namespace(), pid, startTime: startTimeOf(pid) ?? '' };
}

function namespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}

/** What a step knows besides the document. */
interface StepTime {
  /** Of the version that the step makes. */
  readonly number: number;
  /** An earlier attempt was written, and overwritten before that was seen: the change may be in the document already. */
  readonly wasWritten: boolean;
}

type Step = (document: LockDocument, at: StepTime) => LockDocument;

/** Changes the document by comparison; a change to the same is not written. */
async function change(path: string, question: FileQuestion, to: Step): Promise<LockDocument> {
  let wasWritten = false;
  for (;;) {
    const { document, version } = await read(path);
    const after = to(document, { number: version.number + 1, wasWritten });
    if (after === document) return after;
    const done = await replace(path, version, documentText(after), () => question.stillAsked());
    if (done === 'replaced') return after;
    wasWritten ||= done === 'succeeded';
  }
}

interface Read {
  readonly version: Awaited<ReturnType<typeof latest>>;
  readonly document: LockDocument;
}

/** @throws Error where the directory or what is in it cannot be believed */
async function read(path: string): Promise<Read> {
  await makeVersions(path);
  await assertTrusted(path);
  const version = await latest(path);
  const document = readDocument(version.text);
  if (document === null)
    throw new UnreadableVersion(join(path, String(version.number)), 'is not what lastcall writes');
  return { version, document };
}

/** The document with the claim among its holders, or in its queue; the same one where that is so already. */
function taken(
  document: LockDocument,
  claim: Claim,
  owner: EntryOwner,
  now: { readonly number: number; readonly since: number },
): LockDocument {
  const held = document.holders.find((one) => one.claim.id === claim.id);
  const entry = { claim, owner, since: now.since };
  if (held !== undefined) {
    // After a restart of its sidecar, with another configuration perhaps, it may have other servers.
    if (isSame(held.owner, owner) && isSameClaim(held.claim, claim)) return document;
    return withHolder(document, { ...held, claim, owner, changed: now.number });
  }
  const alive = document.queue.filter((one) => isAlive(one.owner));
  const place = alive.findIndex((one) => one.claim.id === claim.id);
  const known = alive[place];
  const queue = known === undefined ? [...alive, entry] : alive.with(place, { ...known, owner });
  const waits = { holders: document.holders, queue };
  const isNews = known === undefined || !isSame(known.owner, owner);
  if (!isTurn(poolOf(claim.pool, waits, 0), claim)) return isNews ? waits : document;
  const slot: SlotEntry = { ...entry, state: 'out', failure: null, changed: now.number };
  return { holders: [...document.holders, slot], queue: queue.filter((one) => one.claim.id !== claim.id) };
}

function withHolder(document: LockDocument, changed: SlotEntry): LockDocument {
  const holders = document.holders.map((one) => (one.claim.id === changed.claim.id ? changed : one));
  return { ...document, holders };
}

function without(document: LockDocument, id: string): LockDocument {
  const isOther = ({ claim }: QueueEntry): boolean => claim.id !== id;
  if ([...document.holders, ...document.queue].every(isOther)) return document;
  return { holders: document.holders.filter(isOther), queue: document.queue.filter(isOther) };
}

function poolOf(pool: string, { holders, queue }: LockDocument, begun: number): PoolView {
  const here = ({ claim }: QueueEntry): boolean => claim.pool === pool;
  const shown = holders.filter(here).map((one): SlotHolder => ({
    claim: one.claim,
    state: one.state,
    failure: one.failure,
    since: one.since,
    alive: isAlive(one.owner),
    ...unseen(one),
    revision: revisionOf(one),
  }));
  return viewOf(
    begun,
    shown,
    queue
      .filter((one) => here(one) && isAlive(one.owner))
      .map((one) => ({ claim: one.claim, since: one.since, ...unseen(one) })),
  );
}

/** Of this boot, in another pid namespace. */
function unseen({ owner }: QueueEntry): { readonly isUnseen?: true } {
  return owner.boot === bootId() && owner.namespace !== namespace() ? { isUnseen: true } : {};
}

function revisionOf({ changed, owner }: SlotEntry): string {
  return `${changed} ${owner.pid} ${owner.startTime}`;
}

/** A process that was stopped (SIGSTOP) keeps no place in the queue, and its slot is that of one who may never go on. */
function isAlive(owner: EntryOwner): boolean {
  if (owner.boot !== bootId()) return false;
  if (owner.namespace !== namespace()) return true;
  const seen = inspectProcess(owner.pid);
  if (typeof seen === 'string') return seen === 'hidden';
  return seen.startTime === owner.startTime && isRunning(seen) && seen.state.toUpperCase() !== 'T';
}

/** A difference in the order alone is written once, and is none after that. */
function isSameClaim(one: Claim, other: Claim): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function isSame(one: EntryOwner, other: EntryOwner): boolean {
  return (
    one.boot === other.boot &&
    one.namespace === other.namespace &&
    one.pid === other.pid &&
    one.startTime === other.startTime
  );
}

function notHeld(name: string, { pool, node }: Claim): LastcallError {
  return new LastcallError('failed', `${name}: ${node} holds no slot of pool ${pool} any more`, {
    target: name,
    elapsedMs: 0,
    next: 'see `lastcall status`',
  });
}
