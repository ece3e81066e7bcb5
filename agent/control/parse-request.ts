import { parseDuration } from '../formats/duration.ts';
import { lineProblem, serverNameProblem } from '../config/validators.ts';
import type { OnTimeout, OperationKind, Request } from '../lifecycle/model/api.ts';
import { LastcallError } from '../system/error.ts';
import type { RequestBody } from './protocol.ts';
import { printable } from '../system/printable.ts';

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

/** A key of the request body: the field of the request that it becomes, and how it is read; undefined = left out. */
interface RequestTerm<K extends keyof Request, T extends Request[K] | undefined> {
  readonly becomes: K;
  readonly read: (value: unknown, key: string) => T;
}

function term<K extends keyof Request, T extends Request[K] | undefined>(
  becomes: K,
  read: (value: unknown, key: string) => T,
): RequestTerm<K, T> {
  return { becomes, read };
}

/** All keys of a request, in the order in which messages list them. */
const TERMS = {
  operation: term('kind', (value, key) => oneOf(OPERATIONS)(value, key) ?? missing(key, OPERATIONS)),
  reason: term('reason', text),
  timeout: term('timeoutMs', duration),
  onTimeout: term('onTimeout', (value, key) => oneOf(ON_TIMEOUT)(value, key) ?? null),
  expires: term('expiresMs', duration),
  force: term('force', flag(false)),
  fence: term('fence', flag(true)),
  dryRun: term('dryRun', flag(false)),
  noRefuse: term('noRefuse', (value, key) => flag(false)(value, key) || undefined),
  waitForSlot: term('waitForSlotMs', (value, key) => duration(value, key) ?? undefined),
  by: term('by', (value, key) => text(value, key) ?? 'control'),
  holdIn: term('holdIn', oneOf(HOLD_IN)),
  ignoreServers: term('ignoreServers', servers),
} satisfies Readonly<Record<keyof RequestBody, unknown>>;

type RequestTerms = typeof TERMS;
type ParsedTerms = {
  [K in keyof RequestTerms as RequestTerms[K]['becomes']]: ReturnType<RequestTerms[K]['read']>;
};

/** The keys of `POST /v1/operations`. */
export const REQUEST_KEYS: readonly string[] = Object.keys(TERMS);

/**
 * Checks a request body and makes the request. Durations become milliseconds.
 * @param body as it was sent, of any shape
 * @param id the new operation's id
 * @throws LastcallError `usage`, naming the key
 */
export function parseRequest(body: unknown, id: string): Request {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw problem('a JSON object is expected');
  const unknown = Object.keys(body).find((key) => !REQUEST_KEYS.includes(key));
  if (unknown !== undefined)
    throw problem(`${quoted(unknown)} is unknown, the keys are: ${REQUEST_KEYS.join(', ')}`);
  const request = { id, isShutdown: false, ...termsIn(body as Readonly<Record<string, unknown>>) };
  checkTogether(request);
  return request;
}

function termsIn(body: Readonly<Record<string, unknown>>): Defined<ParsedTerms> {
  const found = Object.entries(TERMS)
    .map(([key, { becomes, read }]) => [becomes, read(body[key], key)] as const)
    .filter(([, value]) => value !== undefined);
  return Object.fromEntries(found) as Defined<ParsedTerms>;
}

/** What may be undefined is left out where it is. */
type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The operations that may wait for a slot of their pool; a `ready` needs none, and has the option as scripts give it to each verb. */
const WAITING: readonly OperationKind[] = ['drain', 'stop', 'ready', 'restart', 'reboot'];

/** @throws LastcallError `usage` for what can be asked for, but not of this operation */
function checkTogether({ kind, reason, force, holdIn, noRefuse, waitForSlotMs, fence }: Request): void {
  if (force && reason === null) throw problem('`force` needs a `reason`');
  if (kind === 'hold' && reason === null) throw problem('`hold` needs a `reason`');
  if (holdIn !== undefined && kind !== 'hold') throw problem('only `hold` has `holdIn`');
  if (waitForSlotMs !== undefined && !WAITING.includes(kind))
    throw problem('`hold` and `release` do not wait for a slot (`waitForSlot`)');
  if (noRefuse && kind !== 'drain' && kind !== 'stop')
    throw problem('only `drain` and `stop` can go without being refused');
  if (!fence && kind !== 'drain') throw problem('only `drain` can go without the fence');
}

/** One line, or null where it is absent. @throws LastcallError `usage` */
export function text(value: unknown, key: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw problem(`\`${key}\` must be a text that is not empty`);
  const wrong = lineProblem(value);
  if (wrong !== undefined) throw problem(`\`${key}\` ${wrong}`);
  return value;
}

function duration(value: unknown, key: string): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw problem(`\`${key}\` must be a duration such as "5m"`);
  const read = parseDuration(value);
  if (!read.ok) throw problem(`\`${key}\`: ${read.message}`);
  return read.ms;
}

function flag(absent: boolean): (value: unknown, key: string) => boolean {
  return (value, key) => {
    if (value === undefined || value === null) return absent;
    if (typeof value !== 'boolean') throw problem(`\`${key}\` must be true or false`);
    return value;
  };
}

/** A list of `backend/server`; an empty one is none. */
function servers(value: unknown, key: string): readonly string[] | undefined {
  const all = value ?? [];
  if (!Array.isArray(all)) throw problem(`\`${key}\` must be a list of BACKEND/SERVER`);
  const names = all.map((name: unknown) => {
    const wrong = typeof name === 'string' ? serverNameProblem(name) : 'is no text';
    if (wrong !== undefined) throw problem(`\`${key}\`: ${quoted(name)} ${wrong}`);
    return name as string;
  });
  return names.length === 0 ? undefined : names;
}

function oneOf<T extends string>(allowed: readonly T[]): (value: unknown, key: string) => T | undefined {
  return (value, key) => {
    if (value === undefined || value === null) return undefined;
    const found = allowed.find((word) => word === value);
    if (found === undefined)
      throw problem(`\`${key}\` must be one of ${allowed.join(', ')}, not ${quoted(value)}`);
    return found;
  };
}

function missing(key: string, allowed: readonly string[]): never {
  throw problem(`\`${key}\` is missing, it is one of ${allowed.join(', ')}`);
}

/** What the caller sent, short enough for one line. */
function quoted(value: unknown): string {
  const shown = printable(JSON.stringify(value) ?? 'nothing');
  return shown.length > 60 ? `${shown.slice(0, 60)}...` : shown;
}

/** A request that cannot be understood. */
export function problem(message: string): LastcallError {
  return new LastcallError('usage', message, { next: 'see `lastcall --help`' });
}
