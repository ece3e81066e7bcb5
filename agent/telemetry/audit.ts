import type { Service } from '../engine/service.ts';
import type { Request } from '../lifecycle/model/api.ts';
import { type Clock, withDeadline } from '../system/clock.ts';
import { errnoOf, LastcallError, messageOf } from '../system/error.ts';
import { createRotatingFile, type RotatingFile } from '../system/rotating-file.ts';
import { listenCode } from '../system/listen-error.ts';
import type { Log } from '../system/log-port.ts';
import { withObserver } from './service-observer.ts';

/** The size of a file, a few thousand operations; records older than six files are gone. */
const MAX_BYTES = 10 * 1024 * 1024;
const KEEP = 5;
const MODE = 0o600;
/** A start that cannot succeed ends within two seconds (INVARIANTS.md#other-promises). */
const CHECK_MS = 1_200;
/** Only its deadline ends a check. */
const NEVER = new AbortController().signal;

/** The requests to this node: the caller, the reason, and the result. */
export interface Audit {
  /** Adds one record; a failure is an alarm in the log and nothing else: it stops no operation. */
  write(event: string, fields: Readonly<Record<string, unknown>>): void;
  /** Resolves when every record so far is on the disk, or has failed. */
  flush(): Promise<void>;
}

/**
 * The audit log at `path`: one JSON line a record, appended, moved to `PATH.1` to `PATH.5` by size.
 * @throws LastcallError `config` when it can never be written there, or another user could write it too; `failed` when its
 *   file system does not answer
 */
export async function openAudit(
  path: string,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<Audit> {
  const file = createRotatingFile({ path, maxBytes: MAX_BYTES, keep: KEEP, mode: MODE });
  await withDeadline(
    clock,
    CHECK_MS,
    NEVER,
    () => unusable(path, UNANSWERED),
    () => check(path, file),
  );
  let last: Promise<void> = Promise.resolve();
  return {
    write(event, fields) {
      const line = JSON.stringify({ time: clock.wall().toISOString(), event, ...fields });
      last = file.append(line).catch((error: unknown) => {
        log.error(`the audit log could not be written: ${messageOf(error)}`, {
          path,
          record: line,
          next: 'free space there or mend its permissions; the record is in this line',
        });
      });
    },
    flush: () => last,
  };
}

/** Checks the file at the start: a full disk is only an alarm at each record, but an error that no time mends is thrown. */
async function check(path: string, file: RotatingFile): Promise<void> {
  try {
    await file.check();
  } catch (error) {
    if (errnoOf(error) === undefined || listenCode(error) === 'config')
      throw unusable(path, messageOf(error), error);
  }
}

const UNANSWERED = 'its file system does not answer';

function unusable(path: string, why: string, cause?: unknown): LastcallError {
  return new LastcallError(
    cause === undefined ? 'failed' : 'config',
    `the audit log cannot be written: ${why}`,
    {
      target: path,
      next: "set `audit` to a file that lastcall's user alone may write",
      cause,
    },
  );
}

/** The same service, each of whose operations leaves its lines in the audit log. */
export function withAudit(service: Service, audit: Audit): Service {
  return withObserver(service, {
    asked(request, submitted) {
      const { kind, ...asked } = described(request);
      if (!submitted.accepted) return audit.write('refused', { id: request.id, operation: kind, ...asked });
      const { id, joined, joins } = submitted;
      const which = joins === undefined ? { id } : { id, joins };
      audit.write(joined ? 'join' : 'begin', { ...which, operation: kind, ...asked });
    },
    found({ id, operation, by, reason }, resumed) {
      audit.write(resumed ? 'resume' : 'begin', { id, operation, by, reason });
    },
    ended({ id, operation, code, seconds, phase, forced, sessions, warnings, message }) {
      const outcome = { phase, forced, sessions, warnings, ...(message === undefined ? {} : { message }) };
      audit.write('end', { id, operation, code, seconds, ...outcome });
    },
    unlocked: ({ node, by, reason }, { code, message }) =>
      audit.write('unlock', { node, by, reason, code, message }),
    cancelled: (id, by, answer) => audit.write('cancel', { id, by, answer }),
  });
}

/** The request with the keys of the record, without those that the request leaves to the configuration. */
function described(request: Request): Readonly<Record<string, unknown>> & { readonly kind: string } {
  const { kind, by, reason, force, timeoutMs, onTimeout, expiresMs, fence, dryRun } = request;
  const { waitForSlotMs = null } = request;
  return {
    kind,
    by,
    reason,
    force,
    ...(timeoutMs === null ? {} : { timeoutMs }),
    ...(onTimeout === null ? {} : { onTimeout }),
    ...(expiresMs === null ? {} : { expiresMs }),
    ...(waitForSlotMs === null ? {} : { waitForSlotMs }),
    ...(fence ? {} : { fence }),
    ...(dryRun ? { dryRun } : {}),
  };
}
