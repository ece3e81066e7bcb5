import type { RequestBody } from '../../control/protocol.ts';
import type { OperationKind, Result, Status } from '../../lifecycle/model/api.ts';
import { isRebootBegun } from '../wait-for-result.ts';
import { printableLine } from './printable.ts';
import type { Interruption } from '../interrupt.ts';
import type { LocalEngines } from '../open-substitute.ts';
import type { Context } from '../ports.ts';
import { INTERRUPTED, unfinished, writeReceipt } from './result.ts';

/** The answer to Ctrl-C and its like: what became of the operation, and how it is undone. */

/** What was known of it when the signal came. */
export interface KnownSoFar {
  readonly id: string | null;
  readonly status: Status | null;
  readonly result: Result | null;
}

/**
 * Writes the end of an interrupted command, with `--json` as the one object.
 * @param beside without either of the two the operation goes on in the sidecar
 * @returns the exit code: 130 or 143
 */
export function interrupted(
  context: Context,
  body: RequestBody,
  { first }: Pick<Interruption, 'first'>,
  known: KnownSoFar,
  { direct, substitute }: LocalEngines,
): number {
  const { ports, globals } = context;
  const signal = first ?? 'SIGINT';
  if (known.result !== null) writeReceipt(context, known.result);
  const what =
    direct === undefined
      ? goesOn(context, body, known, substitute?.isOpen === true)
      : endedHere(body.operation, known, direct.status());
  const message = `interrupted by ${signal}: ${what}`;
  ports.stderr.write(`lastcall: ${printableLine(message)}\n`);
  if (globals.json === true) {
    const base = known.result ?? unfinished(body, known.id, known.status);
    ports.stdout.write(`${JSON.stringify({ ...base, ok: false, code: 'interrupted', message })}\n`);
  }
  return INTERRUPTED[signal];
}

const UNDOES: Readonly<Record<OperationKind, OperationKind>> = {
  drain: 'ready',
  stop: 'ready',
  restart: 'ready',
  reboot: 'ready',
  ready: 'drain',
  hold: 'release',
  release: 'hold',
};

function goesOn(
  { globals }: Context,
  { operation }: RequestBody,
  { id, result, status }: KnownSoFar,
  isHere: boolean,
): string {
  if (result !== null) return hadEnded(operation, result);
  if (id === null) return `it is unknown whether the sidecar took the ${operation}; ask \`lastcall status\``;
  if (isHere) return `the ${operation} stops here; the next sidecar goes on with it`;
  if (isRebootBegun(status))
    return `the reboot of ${status?.node ?? 'the machine'} has begun; after the boot \`lastcall status\` and the audit log have its result`;
  const { config, socket } = globals;
  const where = socket === undefined ? (config === undefined ? '' : ` -c ${config}`) : ` --socket ${socket}`;
  return `the ${operation} goes on in the sidecar; undo it with \`lastcall ${UNDOES[operation]}${where}\``;
}

function hadEnded(operation: OperationKind, { code, phase }: Result): string {
  return `${operation} had ended by then (${code}), the node is ${phase}`;
}

/** In direct mode it ends with this process: what was found is back, or each server is named where it is not. */
function endedHere(operation: OperationKind, { result }: KnownSoFar, { phase, balancers }: Status): string {
  if (result !== null && result.code !== 'cancelled') return hadEnded(operation, result);
  const left = balancers.flatMap(({ name: at, servers }) =>
    servers.flatMap(({ name, found, admin }) =>
      found === null || found === admin
        ? []
        : [`${at}: ${name} is ${admin?.toUpperCase() ?? 'not known'} and was ${found.toUpperCase()}`],
    ),
  );
  const what = `${operation} was given up`;
  if (left.length > 0) return `${what} in ${phase}; not restored: ${left.join(', ')}; see to it in HAProxy`;
  return `${what}, and what was found is restored`;
}
