import type { Receipt, Result, Status, Terms } from '../../lifecycle/model/api.ts';
import { EXIT_CODES } from '../../system/error.ts';
import { printableLine } from './printable.ts';
import type { Context, Interrupt } from '../ports.ts';
import { secondsText } from './format.ts';

/** Exit codes of an interrupted command, as a shell gives them: 128 and the signal's number; a hang-up is a Ctrl-C. */
export const INTERRUPTED: Readonly<Record<Interrupt, number>> = { SIGINT: 130, SIGHUP: 130, SIGTERM: 143 };

/**
 * Writes the end of an operation: the JSON object, or a line for people (an error goes to stderr).
 * @param begun false when it was refused: then there is no receipt
 * @returns the exit code
 */
export function reportResult(context: Context, result: Result, begun: boolean): number {
  const { ports, globals } = context;
  if (globals.json === true) ports.stdout.write(`${JSON.stringify(result)}\n`);
  else if (globals.quiet !== true) {
    for (const step of result.plan ?? []) ports.stdout.write(`would ${step}\n`);
    for (const warning of result.warnings)
      ports.stderr.write(`lastcall: warning: ${printableLine(warning)}\n`);
    for (const joined of joinLines(result)) ports.stdout.write(`${joined}\n`);
    if (begun) writeReceipt(context, result);
    if (result.ok) ports.stdout.write(`${dline(result)}\n`);
  }
  if (!result.ok) ports.stderr.write(`lastcall: ${failedLine(result)}\n`);
  return exitCodeOf(result);
}

/** The terms of the callers who joined, or of this caller where it joined, each since then. */
function joinLines({ id, joined = [] }: Result): string[] {
  return joined.flatMap((one) => {
    const terms = termText(one.terms);
    if (one.id === id) return [`joined what was under way${terms === '' ? '' : `; from then on: ${terms}`}`];
    const why = one.reason === null ? '' : ` (${one.reason})`;
    return terms === '' ? [] : [`joined by ${one.by}${why}; from then on: ${terms}`];
  });
}

function termText({ fence, timeout, onTimeout, expires, force }: Terms): string {
  return [
    fence === true ? ['fenced'] : [],
    timeout === undefined ? [] : [`timeout ${secondsText(timeout)}`],
    onTimeout === undefined ? [] : [`on timeout ${onTimeout}`],
    expires === undefined ? [] : [`expires ${secondsText(expires)} after it is drained`],
    force === true ? ['force'] : [],
  ]
    .flat()
    .join(', ');
}

/** Writes the receipt, HAProxy's error counters over the operation, unless `--quiet`. A dry run has none. */
export function writeReceipt({ ports, globals }: Context, { operation, receipt, plan }: Result): void {
  if (globals.json === true || globals.quiet === true || plan !== undefined) return;
  if (!WITH_RECEIPT.includes(operation)) return;
  const counts = RECEIPT_WORDS.map(([key, word]) => `${word} ${shown(receipt[key])}`).join(', ');
  ports.stdout.write(`receipt: ${counts}\n`);
}

const RECEIPT_WORDS = [
  ['connectionErrors', 'connection errors'],
  ['responseErrors', 'response errors'],
  ['redispatches', 'redispatches'],
  ['clientAborts', 'client aborts'],
  ['http5xx', 'HTTP 5xx'],
] as const satisfies readonly (readonly [keyof Receipt, string])[];
/** The operations that send users away; the others have no receipt. */
const WITH_RECEIPT: readonly Result['operation'][] = ['drain', 'stop', 'restart', 'reboot'];

/** A code that is not in the table is a failure of the program that answered it. */
export function exitCodeOf({ code, ok }: Result): number {
  return Object.hasOwn(EXIT_CODES, code) ? EXIT_CODES[code] : ok ? 0 : 1;
}

function dline(result: Result): string {
  const { operation, node, seconds, sessions, forced, phase } = result;
  if (result.plan !== undefined) return `${operation} of ${node}: nothing was changed`;
  const counts =
    sessions.start === null && sessions.last === null
      ? ''
      : `, sessions ${shown(sessions.start)} -> ${shown(sessions.last)}`;
  const force = forced > 0 ? `, ${forced} ended by force` : '';
  return `${operation} of ${node} done in ${secondsText(seconds)}: ${phase}${counts}${force}`;
}

function failedLine(result: Result): string {
  const { operation, node, seconds, code, phase, message } = result;
  const why = message ?? `the node is ${phase}; ask \`lastcall status\``;
  return printableLine(`${operation} of ${node} ended after ${secondsText(seconds)} (${code}): ${why}`);
}

function shown(count: number | null): string {
  return count === null ? 'unknown' : String(count);
}

interface Unfinished extends Omit<Result, 'ok' | 'code' | 'id' | 'node' | 'phase'> {
  readonly id: string | null;
  readonly node: string | null;
  readonly phase: Result['phase'] | null;
}

/** What is known of an operation whose end was not waited for, in the shape of a result. */
export function unfinished(
  words: { readonly operation: Result['operation']; readonly reason?: string },
  id: string | null,
  status: Status | null,
): Unfinished {
  const unknown: Receipt = {
    connectionErrors: null,
    responseErrors: null,
    redispatches: null,
    clientAborts: null,
    http5xx: null,
  };
  return {
    operation: words.operation,
    id,
    node: status?.node ?? null,
    phase: status?.phase ?? null,
    seconds: status?.operation?.seconds ?? 0,
    reason: words.reason ?? null,
    forced: 0,
    balancers: (status?.balancers ?? []).map(({ name, servers }) => ({
      name,
      servers: servers.map(
        ({ owner: _owner, found: _found, applied: _applied, neighbours: _neighbours, ...server }) => server,
      ),
    })),
    sessions: {
      start: null,
      last: status?.sessions.total ?? null,
      sources: (status?.sessions.sources ?? []).map(({ name, count, error }) => ({ name, count, error })),
    },
    receipt: unknown,
    closed: { tunnels: 0, requests: 0 },
    reasserts: { count: 0, slowestSeconds: 0 },
    warnings: [],
  };
}
