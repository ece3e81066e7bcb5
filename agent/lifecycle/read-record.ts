import type { OperationKind } from './operation.ts';
import { PHASES } from './phases.ts';
import type { SavedServer, StateRecord } from './record.ts';
import type { Addresses, Admin, ProcessIdentity, Proof } from './view.ts';

/**
 * A record as it was read from the disk. Its checksum proves that lastcall wrote it, but not which version: a newer
 * one may have phases, operations, states and shapes that this one lacks. What is not understood is named and
 * replaced by a safe value, and the node is then `failed`; nothing here throws.
 */
export interface ReadRecord {
  readonly record: StateRecord;
  /** Why the record cannot be continued as written; null = it can. */
  readonly doubt: string | null;
}

type Is<T> = (value: unknown) => value is T;
type Fields = Readonly<Record<string, unknown>>;

/** @param raw what the disk holds in place of a record */
export function readRecord(raw: unknown): ReadRecord {
  const doubts: string[] = [];
  const whole = fieldsOf(raw, 'record', doubts);
  const get = reading(whole, '', doubts);
  const record: StateRecord = {
    savedAt: get('savedAt', isNumber, 0),
    phase: get('phase', isPhase, 'failed'),
    epoch: get('epoch', isNumber, 0),
    op: get('op', orNull(isOperation), null),
    balancers: balancersIn(whole['balancers'], doubts),
    proof: get('proof', orNull(isProof), null),
    appGone: get('appGone', isBoolean, false),
    stopIssued: get('stopIssued', isBoolean, false),
    start: get('start', oneOf('none', 'intended', 'sent', 'done'), 'none'),
    forcedOut: get('forcedOut', isBoolean, false),
    noFence: get('noFence', isBoolean, false),
    restoring: get('restoring', isBoolean, false),
    expiresAt: get('expiresAt', orNull(isNumber), null),
    sticky: get('sticky', orNull(isString), null),
    hold: holdIn(whole['hold'], doubts),
    ...optional(whole, doubts),
  };
  const contradiction = doubts.length > 0 ? unknownIn(doubts) : contradictionIn(record);
  return { record, doubt: contradiction };
}

/** The process that the record proves, before anything else of it is believed; null = none. */
export function proofIn(raw: unknown): Proof | null {
  const proof = isObject(raw) ? raw['proof'] : null;
  return isProof(proof) ? proof : null;
}

const NAMED = 5;

function unknownIn(doubts: readonly string[]): string {
  const names = [...new Set(doubts)];
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return `the record has what this version does not know: ${names.slice(0, NAMED).join(', ')}${more}`;
}

/** Each part is valid, but together they contradict each other. */
function contradictionIn({ phase, op, balancers }: StateRecord): string | null {
  const { place } = PHASES[phase];
  const isOurs = Object.values(balancers).some(({ servers }) =>
    Object.values(servers).some(({ found }) => found !== null),
  );
  if (op !== null && (place === 'rotation' || place === 'unknown'))
    return `the record has an operation (${op.kind}) in the phase ${phase}`;
  if (isOurs && place === 'unknown')
    return `the record has servers that lastcall set, and does not say in which phase`;
  return null;
}

/** Absent in the record of an older version; what it means there is record.ts's. */
function optional(
  whole: Fields,
  doubts: string[],
): Pick<
  StateRecord,
  'level' | 'lasting' | 'expiresMs' | 'signedOut' | 'fresh' | 'fencedBefore' | 'capacity' | 'appUnproven'
> {
  const get = reading(whole, '', doubts);
  const has = (key: string): boolean => whole[key] !== undefined;
  return {
    ...(has('level') && {
      level: get('level', orNull(oneOf('drain', 'maint', 'ready', 'found', 'none')), 'none'),
    }),
    ...(has('lasting') && { lasting: get('lasting', isBoolean, true) }),
    ...(has('expiresMs') && { expiresMs: get('expiresMs', orNull(isNumber), null) }),
    ...(has('capacity') && { capacity: get('capacity', isCapacity, { isOver: false, drainedIn: null }) }),
    ...(has('appUnproven') && { appUnproven: get('appUnproven', isBoolean, true) }),
    ...(has('fencedBefore') && { fencedBefore: get('fencedBefore', isBoolean, true) }),
    ...(has('fresh') && { fresh: get('fresh', isBoolean, false) }),
    ...(has('signedOut') && { signedOut: get('signedOut', oneOf('no', 'unheard', 'heard'), 'no') }),
  };
}

/** A hold that is not understood still means that an operator wants the node out. */
function holdIn(raw: unknown, doubts: string[]): StateRecord['hold'] {
  if (raw === null) return null;
  const get = reading(fieldsOf(raw, 'hold', doubts), 'hold.', doubts);
  const askers = isObject(raw) && Array.isArray(raw['askers']) ? (raw['askers'] as unknown[]) : [];
  return {
    admin: get('admin', oneOf('drain', 'maint'), 'drain'),
    by: get('by', isString, 'unknown'),
    reason: get('reason', orNull(isString), null),
    over: get('over', oneOf('rotation', 'out'), 'out'),
    askers: askers.filter(isAsker),
  };
}

function balancersIn(raw: unknown, doubts: string[]): StateRecord['balancers'] {
  const entries = Object.entries(fieldsOf(raw, 'balancers', doubts)).map(([name, saved]) => {
    const path = `balancers.${name}`;
    const balancer = fieldsOf(saved, path, doubts);
    const get = reading(balancer, `${path}.`, doubts);
    const servers = Object.entries(fieldsOf(balancer['servers'], `${path}.servers`, doubts)).map(
      ([server, own]) => [server, serverIn(own, `${path}.${server}`, doubts)] as const,
    );
    const { bornAt, relatives, seen, addresses, reloaded } = balancer;
    return [
      name,
      {
        pid: get('pid', orNull(isNumber), null),
        ...(bornAt !== undefined && { bornAt: get('bornAt', orNull(isNumber), null) }),
        ...(relatives !== undefined && { relatives: get('relatives', arrayOf(isRelative), []) }),
        ...(seen !== undefined && { seen: get('seen', isNumber, 0) }),
        ...(addresses !== undefined && { addresses: get('addresses', isAddresses, {}) }),
        ...(reloaded !== undefined && { reloaded: get('reloaded', isBoolean, true) }),
        servers: Object.fromEntries(servers),
      },
    ];
  });
  return Object.fromEntries(entries) as StateRecord['balancers'];
}

/** What was there before is READY in doubt; states that are not known are not taken for ours. */
function serverIn(raw: unknown, path: string, doubts: string[]): SavedServer {
  const own = fieldsOf(raw, path, doubts);
  const get = reading(own, `${path}.`, doubts);
  const words = (key: 'ours' | 'said'): Admin[] => {
    const all = get(key, isArray, []);
    if (!all.every(isAdmin)) doubts.push(`${path}.${key}`);
    return all.filter(isAdmin);
  };
  return {
    found: get('found', orNull(isFound), { admin: 'ready', weight: null }),
    want: get('want', orNull(isAdmin), null),
    ours: words('ours'),
    said: words('said'),
    held: get('held', isBoolean, false),
    ...(own['heldIn'] !== undefined && { heldIn: get('heldIn', orNull(isAdmin), null) }),
    ...(own['told'] !== undefined && { told: get('told', orNull(isTold), null) }),
  };
}

/** Reads fields of one object; one that is not as it should be is noted, and replaced. */
function reading(from: Fields, path: string, doubts: string[]) {
  return <T>(key: string, is: Is<T>, instead: T): T => {
    const value = from[key];
    if (is(value)) return value;
    doubts.push(`${path}${key}${typeof value === 'string' ? ` (${value.slice(0, 40)})` : ''}`);
    return instead;
  };
}

function fieldsOf(value: unknown, path: string, doubts: string[]): Fields {
  if (isObject(value)) return value;
  doubts.push(path);
  return {};
}

const isObject: Is<Fields> = (value): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isArray: Is<readonly unknown[]> = (value): value is readonly unknown[] => Array.isArray(value);
const isNumber: Is<number> = (value): value is number => typeof value === 'number' && Number.isFinite(value);
const isString: Is<string> = (value): value is string => typeof value === 'string';
const isBoolean: Is<boolean> = (value): value is boolean => typeof value === 'boolean';

const isCapacity = shaped<NonNullable<StateRecord['capacity']>>({
  isOver: isBoolean,
  drainedIn: orNull(oneOf('drain', 'maint')),
});

function orNull<T>(is: Is<T>): Is<T | null> {
  return (value): value is T | null => value === null || is(value);
}

function oneOf<const T extends string>(...all: readonly T[]): Is<T> {
  return (value): value is T => all.some((one) => one === value);
}

function arrayOf<T>(is: Is<T>): Is<readonly T[]> {
  return (value): value is readonly T[] => isArray(value) && value.every(is);
}

/** An object with at least these fields. */
function shaped<T>(fields: { readonly [K in keyof T]-?: Is<T[K]> }): Is<T> {
  const entries = Object.entries(fields) as [string, Is<unknown>][];
  return (value): value is T => isObject(value) && entries.every(([key, is]) => is(value[key]));
}

function orAbsent<T>(is: Is<T>): Is<T | undefined> {
  return (value): value is T | undefined => value === undefined || is(value);
}

const KINDS: Readonly<Record<OperationKind, true>> = {
  drain: true,
  stop: true,
  ready: true,
  restart: true,
  hold: true,
  release: true,
};

const isAdmin = oneOf('ready', 'drain', 'maint');
const isPhase: Is<StateRecord['phase']> = (value): value is StateRecord['phase'] =>
  isString(value) && Object.hasOwn(PHASES, value);
const isKind: Is<OperationKind> = (value): value is OperationKind =>
  isString(value) && Object.hasOwn(KINDS, value);
const isProcess = shaped<ProcessIdentity>({ pid: isNumber, startTime: isString });
const isProof = (value: unknown): value is Proof =>
  isProcess(value) && (!('others' in value) || arrayOf(isProcess)(value.others));
const isFound = shaped<NonNullable<SavedServer['found']>>({ admin: isAdmin, weight: orNull(isNumber) });
const isTold = shaped<NonNullable<SavedServer['told']>>({
  admin: isAdmin,
  at: isNumber,
  pid: orNull(isNumber),
  bornAt: orAbsent(orNull(isNumber)) as Is<number | null>,
});
const isRelative = shaped<NonNullable<StateRecord['balancers'][string]['relatives']>[number]>({
  name: isString,
  of: isString,
  by: oneOf('track', 'address'),
  role: orNull(oneOf('active', 'backup')),
  usable: isBoolean,
});
const isAddresses: Is<Addresses> = (value): value is Addresses =>
  isObject(value) && Object.values(value).every(isString);
const isAsker = shaped<NonNullable<NonNullable<StateRecord['hold']>['askers']>[number]>({
  id: isString,
  reason: orNull(isString),
  startedAt: isNumber,
  deadline: isNumber,
  warnings: arrayOf(isString),
});
type SavedOperation = NonNullable<StateRecord['op']>;
const isJoined = shaped<NonNullable<SavedOperation['joined']>[number]>({
  id: isString,
  operation: isKind,
  by: isString,
  reason: orNull(isString),
  terms: isObject,
});
const isCounter: Is<SavedOperation['baseline'][string]> = (
  value,
): value is SavedOperation['baseline'][string] =>
  isObject(value) && orNull(isNumber)(value['pid']) && orNull(isObject)(value['counters']);
const isBaseline: Is<SavedOperation['baseline']> = (value): value is SavedOperation['baseline'] =>
  isObject(value) && Object.values(value).every(isCounter);

/** Each field that the lifecycle reads: a new one does not compile before it is listed here. */
const isOperation = shaped<SavedOperation>({
  id: isString,
  kind: isKind,
  tickets: arrayOf(shaped<SavedOperation['tickets'][number]>({ id: isString, kind: isKind })),
  // Absent in an older record.
  joined: orAbsent(arrayOf(isJoined)) as Is<NonNullable<SavedOperation['joined']>>,
  by: isString,
  reason: orNull(isString),
  onTimeout: oneOf('restore', 'force', 'hold'),
  timeoutMs: isNumber,
  // Absent in an older record.
  returnMs: orAbsent(isNumber) as Is<number>,
  expiresMs: orNull(isNumber),
  startedAt: isNumber,
  deadline: isNumber,
  sessionsStart: orNull(isNumber),
  sessionsLast: orNull(isNumber),
  forced: isNumber,
  closed: shaped<SavedOperation['closed']>({ tunnels: isNumber, requests: isNumber }),
  warnings: arrayOf(isString),
  subjects: orAbsent(arrayOf(isString)) as Is<readonly string[]>,
  warned: arrayOf(isNumber),
  reasserts: shaped<SavedOperation['reasserts']>({ count: isNumber, slowestMs: isNumber }),
  baseline: isBaseline,
  // Absent in an older record.
  ignoreServers: orAbsent(arrayOf(isString)) as Is<readonly string[]>,
  hashed: orAbsent(orNull(isString)) as Is<string | null>,
  recheck: orAbsent(oneOf('refuse', 'warn', 'none')) as Is<SavedOperation['recheck']>,
  outcome: orNull(shaped<NonNullable<SavedOperation['outcome']>>({ code: isString, message: isString })),
  restoreBy: orNull(isNumber),
});
