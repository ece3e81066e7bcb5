import { parseDuration } from '../formats/duration.ts';
import { wrongServerName } from '../config/validators.ts';
import type { OnTimeout, OperationKind, Request } from '../lifecycle/model/api.ts';
import { LastcallError } from '../system/error.ts';
import { hasUnprintable, printable } from '../system/printable.ts';

/** From a request body (the control socket's, the command line's) to a request of the lifecycle. */

const OPERATIONS: readonly OperationKind[] = [
  'drain',
  'stop',
  'ready',
  'restart',
  'reboot',
  'hold',
  'release',
];
const HOLD_IN: readonly ('drain' | 'maint')[] = ['drain', 'maint'];
const ON_TIMEOUT: readonly OnTimeout[] = ['restore', 'force', 'hold'];
/** The keys of `POST /v1/operations`. */
export const REQUEST_KEYS: readonly string[] = [
  'operation',
  'reason',
  'timeout',
  'onTimeout',
  'expires',
  'force',
  'fence',
  'dryRun',
  'noRefuse',
  'by',
  'holdIn',
  'ignoreServers',
];
/** A reason is one line of a log, not a document. */
const MAX_TEXT = 500;
type Body = Readonly<Record<string, unknown>>;

/**
 * Checks a request body and makes the request. Durations become milliseconds.
 * @param body as it was sent, of any shape
 * @param id the new operation's id
 * @throws LastcallError `usage`, naming the key
 */
export function parseRequest(body: unknown, id: string): Request {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw problem('a JSON object is expected');
  const words = body as Body;
  const unknown = Object.keys(words).find((key) => !REQUEST_KEYS.includes(key));
  if (unknown !== undefined)
    throw problem(`${quoted(unknown)} is unknown, the keys are: ${REQUEST_KEYS.join(', ')}`);
  const holdIn = oneOf(words, 'holdIn', HOLD_IN);
  const ignoreServers = servers(words, 'ignoreServers');
  const request: Request = {
    id,
    kind: oneOf(words, 'operation', OPERATIONS) ?? missing('operation', OPERATIONS),
    reason: text(words, 'reason'),
    by: text(words, 'by') ?? 'control',
    timeoutMs: duration(words, 'timeout'),
    onTimeout: oneOf(words, 'onTimeout', ON_TIMEOUT),
    expiresMs: duration(words, 'expires'),
    force: flag(words, 'force', false),
    fence: flag(words, 'fence', true),
    dryRun: flag(words, 'dryRun', false),
    isShutdown: false,
    ...(flag(words, 'noRefuse', false) ? { noRefuse: true } : {}),
    ...(ignoreServers.length === 0 ? {} : { ignoreServers }),
    ...(holdIn === null ? {} : { holdIn }),
  };
  if (request.force && request.reason === null) throw problem('`force` needs a `reason`');
  if (request.kind === 'hold' && request.reason === null) throw problem('`hold` needs a `reason`');
  if (holdIn !== null && request.kind !== 'hold') throw problem('only `hold` has `holdIn`');
  if (request.noRefuse && request.kind !== 'drain' && request.kind !== 'stop')
    throw problem('only `drain` and `stop` can go without being refused');
  if (!request.fence && request.kind !== 'drain') throw problem('only `drain` can go without the fence');
  return request;
}

function text(words: Body, key: string): string | null {
  const value = words[key];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string' || value.trim() === '')
    throw problem(`\`${key}\` must be a text that is not empty`);
  if (value.length > MAX_TEXT) throw problem(`\`${key}\` is longer than ${MAX_TEXT} characters`);
  // They would forge lines in a log, move a terminal's cursor, or reverse the text after them.
  if (hasUnprintable(value))
    throw problem(`\`${key}\` must be one line without control or format characters`);
  return value;
}

function duration(words: Body, key: string): number | null {
  const value = words[key];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw problem(`\`${key}\` must be a duration such as "5m"`);
  const read = parseDuration(value);
  if (!read.ok) throw problem(`\`${key}\`: ${read.message}`);
  return read.ms;
}

function flag(words: Body, key: string, absent: boolean): boolean {
  const value = words[key];
  if (value === undefined || value === null) return absent;
  if (typeof value !== 'boolean') throw problem(`\`${key}\` must be true or false`);
  return value;
}

/** A list of `backend/server`; absent is empty. */
function servers(words: Body, key: string): readonly string[] {
  const value = words[key] ?? [];
  if (!Array.isArray(value)) throw problem(`\`${key}\` must be a list of BACKEND/SERVER`);
  return value.map((name: unknown) => {
    const wrong = typeof name === 'string' ? wrongServerName(name) : 'is no text';
    if (wrong !== undefined) throw problem(`\`${key}\`: ${quoted(name)} ${wrong}`);
    return name as string;
  });
}

function oneOf<T extends string>(words: Body, key: string, allowed: readonly T[]): T | null {
  const value = words[key];
  if (value === undefined || value === null) return null;
  const found = allowed.find((word) => word === value);
  if (found === undefined)
    throw problem(`\`${key}\` must be one of ${allowed.join(', ')}, not ${quoted(value)}`);
  return found;
}

function missing(key: string, allowed: readonly string[]): never {
  throw problem(`\`${key}\` is missing, it is one of ${allowed.join(', ')}`);
}

/** What the caller sent, short enough for one line. */
function quoted(value: unknown): string {
  const shown = printable(JSON.stringify(value) ?? 'nothing');
  return shown.length > 60 ? `${shown.slice(0, 60)}...` : shown;
}

function problem(message: string): LastcallError {
  return new LastcallError('usage', message, { next: 'see `lastcall --help`' });
}
