import type { Info } from './show-info.ts';
import { throwRefusal, unexpected, type Reply } from '../reply.ts';

/** `PEERS_F_RESYNC_LOCALFINISHED`: "a local node teach us and was fully up to date" (HAProxy's peers.c, peers-t.h). */
const TAUGHT_BEFORE_3_0 = 0x100;
const TAUGHT = 0x0100_0000;
/** A table below one of its peers. */
const SHARED = /^\s+table:0x[0-9a-f]+ id=(\S+)/;

/**
 * Whether the worker that answered got this table from the one before it, to the last entry. Without `peers` a table
 * does not outlive a reload (BEHAVIOUR.md#stick-tables).
 * @param reply to `show peers`: a line per section, and below it its peers with the tables that they share
 * @throws LastcallError `balancer-unreachable` when it is no such answer
 */
export function wasResynced(reply: Reply, table: string, { version }: Info): boolean {
  throwRefusal(reply.text, reply);
  if (!reply.text.endsWith('\n')) throw unexpected(reply, 'it ends in the middle');
  const bit = Number(/^\d+/.exec(version)?.[0]) < 3 ? TAUGHT_BEFORE_3_0 : TAUGHT;
  let flags = 0;
  for (const line of reply.text.split('\n')) {
    const section = /^0x[0-9a-f]+: .*\sflags=(0x[0-9a-f]+)/.exec(line)?.[1];
    if (section !== undefined) flags = Number(section);
    const shared = SHARED.exec(line)?.[1];
    if (shared === table && (flags & bit) !== 0) return true;
  }
  return false;
}

/**
 * The stick tables that a `peers` section hands on.
 * @param reply to `show peers`
 * @throws LastcallError `balancer-unreachable` when it is no such answer
 */
export function sharedTables(reply: Reply): ReadonlySet<string> {
  throwRefusal(reply.text, reply);
  if (!reply.text.endsWith('\n')) throw unexpected(reply, 'it ends in the middle');
  return new Set(reply.text.split('\n').flatMap((line) => SHARED.exec(line)?.[1] ?? []));
}
