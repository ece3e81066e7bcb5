import type { IdleSourceConfig } from '../config/source-config.ts';
import { createAbsences, type Absence, type Absences } from '../haproxy/absence.ts';
import type { Client } from '../haproxy/client.ts';
import { parseServerName, type ServerName } from '../haproxy/names.ts';
import { createServerReader, type SendCommand, type RowReading } from '../haproxy/server-reader.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { queryAll, requireTargets, type HaproxyTarget } from './haproxy-target.ts';
import type { Source } from './source.ts';

/**
 * For applications whose users cannot be counted: 1 until no request has reached any of the node's servers for so
 * long, then 0. By `lastsess` (seconds since a request was last given to the server) and by the requests seen in
 * flight, since a download that began long ago is a user too. A worker younger than the period gives no count.
 *
 * `clear counters all` sets `lastsess` back. That is seen by `stot`, which went down, but only if it happened
 * between two of our polls of a server that was used before.
 * @throws LastcallError `config` for an invalid server name, or without a HAProxy
 */
export function createIdleSource(
  { periodMs, timeoutMs }: IdleSourceConfig,
  name: string,
  { clock, targets }: { readonly clock: Clock; readonly targets: readonly HaproxyTarget[] },
): Source {
  requireTargets(targets, name);
  const idleTargets = targets.flatMap(({ client, servers }) => {
    const absences = createAbsences(createServerReader());
    return servers.map((server): IdleTarget => ({
      client,
      absences,
      server: parseServerName(server, 'config'),
      busyAt: -Infinity,
      last: null,
      absentSince: null,
    }));
  });
  return {
    name,
    async count(signal) {
      const began = clock.now();
      const all = await queryAll(idleTargets, signal, async (target) => {
        const ask: SendCommand = (command) =>
          target.client.exchange(command, began + timeoutMs - clock.now(), signal);
        const reading = await target.absences.read(ask, target.server);
        return { target, reading, rest: idleTime(target, reading, clock.now()) };
      });
      if (all.some(({ rest }) => rest !== null && rest.quietMs < periodMs)) return 1;
      for (const { target, reading, rest } of all) {
        const elapsedMs = clock.now() - began;
        if (rest === null) throw unread(target, elapsedMs);
        if (rest.watchedMs < periodMs) throw tooYoung(target, reading, { periodMs, elapsedMs });
      }
      return 0;
    },
  };
}

/** One server at one HAProxy, and what is remembered of it. */
interface IdleTarget {
  readonly client: Client;
  readonly absences: Absences;
  readonly server: ServerName;
  /** When a request was last seen there, in monotonic milliseconds. */
  busyAt: number;
  last: { readonly pid: number; readonly total: number } | null;
  /** Since when HAProxy is known not to have the server, in monotonic milliseconds; null = it has it. */
  absentSince: number | null;
}

/** HAProxy reports whole seconds, of which the last may not be over. */
const SECOND_MS = 1_000;

interface IdleTime {
  /** The time without a request; Infinity if there never was one. */
  readonly quietMs: number;
  /** The time that HAProxy has observed. */
  readonly watchedMs: number;
}

/** A server that HAProxy does not have gets no request; until it was seen to be gone, a request may have come. */
function absenceOf(target: IdleTarget, now: number): IdleTime {
  target.absentSince ??= now;
  return { quietMs: Infinity, watchedMs: now - target.absentSince };
}

/** @returns null when HAProxy does not show it */
function idleTime(target: IdleTarget, reading: RowReading | Absence, now: number): IdleTime | null {
  if ('absent' in reading) return absenceOf(target, now);
  target.absentSince = null;
  const { row, info } = reading;
  const [serving, queued, total] = ['scur', 'qcur', 'stot'].map((column) => row.count(column));
  const never = row.text('lastsess') === '-1';
  const last = never ? info.uptimeSeconds : row.count('lastsess');
  if (serving === null || queued === null || typeof total !== 'number' || last === null) return null;
  const cleared = target.last !== null && target.last.pid === info.pid && total < target.last.total;
  target.last = { pid: info.pid, total };
  if (serving !== 0 || queued !== 0 || cleared) target.busyAt = now;
  const watchedMs = (last - 1) * SECOND_MS;
  return { quietMs: Math.min(never ? Infinity : watchedMs, now - target.busyAt), watchedMs };
}

function unread({ client, server }: IdleTarget, elapsedMs: number): LastcallError {
  const at = `${server.backend}/${server.server}`;
  return new LastcallError('failed', `${client.target}: no scur, qcur, stot or lastsess of ${at}`, {
    target: client.target,
    elapsedMs,
    next: 'see that this is the `stats socket` of a HAProxy of version 2.4 or newer',
  });
}

function tooYoung(
  { client }: IdleTarget,
  reading: RowReading | Absence,
  { periodMs, elapsedMs }: { readonly periodMs: number; readonly elapsedMs: number },
): LastcallError {
  const since = 'absent' in reading ? reading.absent : `HAProxy has run for ${reading.info.uptimeSeconds} s`;
  const why = `${since}: whether a request came in the last ${periodMs / SECOND_MS} s is unknown`;
  return new LastcallError('failed', `${client.target}: ${why}`, {
    target: client.target,
    elapsedMs,
    next: 'wait, or let the application itself count its users',
  });
}
