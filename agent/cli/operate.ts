import type { Words } from '../control/protocol.ts';
import { toRequest } from '../control/words.ts';
import type { OperationKind, Result, Status } from '../lifecycle/operation.ts';
import { createDirectDesk } from './desk.ts';
import { readDirect } from './direct.ts';
import { deskForPeople, line } from './foreign.ts';
import { type Desk, type Watcher, follow } from './follow.ts';
import { type Interruption, listenForInterrupts } from './interrupt.ts';
import type { VerbOptions } from './options.ts';
import { persist } from './persist.ts';
import type { Context } from './ports.ts';
import { createProgress } from './progress.ts';
import { INTERRUPTED, reportResult, unfinished, writeReceipt } from './result.ts';
import { sidecar } from './target.ts';

/**
 * drain, stop, ready, restart: by the sidecar, or in this process where `--haproxy` says so.
 * @returns the exit code
 * @throws LastcallError whatever ends it before there is a result
 */
export async function operate(
  operation: OperationKind,
  options: VerbOptions,
  context: Context,
): Promise<number> {
  const direct = readDirect(operation, options, context.globals);
  const words = wordsOf(operation, options, context.ports.by());
  // A mistake is told as one (64) whether or not a sidecar is there to tell it.
  toRequest(words, 'unsent');
  if (direct !== null) {
    const service = await context.ports.direct(direct);
    try {
      return await wait(context, words, deskForPeople(createDirectDesk(service), context.globals), (id) =>
        service.cancel(id, words.by ?? 'cli'),
      );
    } finally {
      await service.close();
    }
  }
  const client = await sidecar(context);
  if (options.wait) return wait(context, words, client, null);
  return handIn(context, words, client);
}

function wordsOf(operation: OperationKind, options: VerbOptions, by: string): Words {
  const { reason, timeout, onTimeout, expires, force, fence, dryRun, refuse, ignoreServer, maint } = options;
  return {
    operation,
    by,
    ...(reason === undefined ? {} : { reason }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(onTimeout === undefined ? {} : { onTimeout }),
    ...(expires === undefined ? {} : { expires }),
    ...(force === undefined ? {} : { force }),
    ...(fence === undefined ? {} : { fence }),
    ...(dryRun === undefined ? {} : { dryRun }),
    ...(refuse === false ? { noRefuse: true } : {}),
    ...(ignoreServer === undefined ? {} : { ignoreServers: ignoreServer }),
    ...(maint === true ? { holdIn: 'maint' as const } : {}),
  };
}

/** `--no-wait`: the sidecar's word that it will be done. */
async function handIn(context: Context, words: Words, desk: Desk): Promise<number> {
  const { ports, globals } = context;
  const interrupts = listenForInterrupts(ports.signals, null);
  try {
    const submitted = await desk.submit(words, interrupts.signal);
    if (!submitted.accepted) return reportResult(context, submitted.result, false);
    const { id, joined, joins } = submitted;
    if (globals.json === true) {
      const into = joins === undefined ? { joined } : { joined, joins };
      const answer = { ok: true, code: 'accepted', ...unfinished(words, id, null), ...into };
      ports.stdout.write(`${JSON.stringify(answer)}\n`);
    } else if (globals.quiet !== true) {
      ports.stdout.write(`${words.operation} ${joined ? 'joined' : 'accepted'} (id ${id})\n`);
    }
    return 0;
  } catch (error) {
    if (interrupts.first === null || !interrupts.signal.aborted) throw error;
    return interrupted(context, words, interrupts, { id: null, status: null, result: null });
  } finally {
    interrupts.end();
  }
}

/** What was known when the user lost patience. */
interface Known {
  readonly id: string | null;
  readonly status: Status | null;
  readonly result: Result | null;
}

async function wait(
  context: Context,
  words: Words,
  desk: Desk,
  cancel: ((id: string) => unknown) | null,
): Promise<number> {
  const { ports } = context;
  const progress = createProgress(context, words.operation);
  let known: Known = { id: null, status: null, result: null };
  const interrupts = listenForInterrupts(
    ports.signals,
    cancel === null ? null : () => known.id !== null && cancel(known.id),
  );
  const watcher: Watcher = {
    ...progress,
    accepted(id, joined) {
      known = { ...known, id };
      // Interrupted before there was anything to cancel.
      if (cancel !== null && interrupts.first !== null) cancel(id);
      progress.accepted(id, joined);
    },
    status(status) {
      known = { ...known, status };
      progress.status(status);
    },
  };
  try {
    const ask = words.noRefuse === true && words.dryRun !== true ? persist : follow;
    const result = await ask(desk, words, watcher, ports.clock, interrupts.signal);
    progress.end();
    if (interrupts.first === null) return reportResult(context, result, known.id !== null);
    return interrupted(context, words, interrupts, { ...known, result });
  } catch (error) {
    progress.end();
    if (interrupts.first === null || !interrupts.signal.aborted) throw error;
    return interrupted(context, words, interrupts, known, cancel !== null);
  } finally {
    interrupts.end();
  }
}

/** 130 or 143, and what became of the operation. */
function interrupted(
  context: Context,
  words: Words,
  { first }: Interruption,
  known: Known,
  direct = false,
): number {
  const { ports, globals } = context;
  const signal = first ?? 'SIGINT';
  if (known.result !== null) writeReceipt(context, known.result);
  const message = `interrupted by ${signal}: ${whatNow(context, words, known, direct)}`;
  ports.stderr.write(`lastcall: ${line(message)}\n`);
  if (globals.json === true) {
    const base = known.result ?? unfinished(words, known.id, known.status);
    ports.stdout.write(`${JSON.stringify({ ...base, ok: false, code: 'interrupted', message })}\n`);
  }
  return INTERRUPTED[signal];
}

function whatNow({ globals }: Context, { operation }: Words, { id, result }: Known, direct: boolean): string {
  if (result !== null) {
    if (result.code === 'cancelled') return `${operation} was given up, and what was found is restored`;
    return `${operation} had ended by then (${result.code}), the node is ${result.phase}`;
  }
  if (direct) return `ended at once; nothing was restored, look at the servers in HAProxy`;
  if (id === null)
    return `it is not known whether the sidecar took the ${operation}; ask \`lastcall status\``;
  const undo = operation === 'ready' ? 'drain' : 'ready';
  const where =
    globals.socket === undefined
      ? globals.config === undefined
        ? ''
        : ` -c ${globals.config}`
      : ` --socket ${globals.socket}`;
  return `the ${operation} goes on in the sidecar (id ${id}); undo it with \`lastcall ${undo}${where}\``;
}
