import { PHASES } from '../model/phase.ts';
import {
  isAddresses,
  isAdmin,
  isAsker,
  isCapacity,
  isFound,
  isOperation,
  isPhase,
  isProof,
  isRamp,
  isRelative,
  isSlot,
  isAppliedState,
  isSlotRequest,
} from './record-guards.ts';
import type { SavedServer, StateRecord } from '../model/record.ts';
import {
  type Fields,
  type Guard,
  arrayOf,
  isArray,
  isBoolean,
  isNumber,
  isObject,
  isString,
  oneOf,
  orAbsent,
  orNull,
} from './json-guards.ts';
import type { Admin, Proof } from '../model/observation.ts';

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
  return `the record has what this version does not understand: ${names.slice(0, NAMED).join(', ')}${more}`;
}

/** Each part is valid, but together they contradict each other. */
function contradictionIn({ phase, op, balancers }: StateRecord): string | null {
  const { place } = PHASES[phase];
  const isOurs = Object.values(balancers).some(({ servers }) =>
    Object.values(servers).some(({ found }) => found !== null),
  );
  if (op !== null && (place === 'rotation' || place === 'unknown'))
    return `the record has an operation (${op.kind}) in the phase ${phase}`;
  if (isOurs && place === 'unknown') return `the record has servers that lastcall set, without the phase`;
  return null;
}

/** Absent in the record of an older version; what it means there is record.ts's. */
function optional(
  whole: Fields,
  doubts: string[],
): Pick<
  StateRecord,
  | 'level'
  | 'lasting'
  | 'expiresMs'
  | 'signedOut'
  | 'fresh'
  | 'fencedBefore'
  | 'capacity'
  | 'appUnproven'
  | 'slot'
  | 'waiting'
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
    ...slotIn(whole, doubts),
    ...(has('waiting') && { waiting: get('waiting', arrayOf(isSlotRequest), []) }),
    ...(has('signedOut') && { signedOut: get('signedOut', oneOf('no', 'unheard', 'heard'), 'no') }),
  };
}

/** A claim that is not understood is left to the others, who see that its holder does not live. */
function slotIn(whole: Fields, doubts: string[]): Pick<StateRecord, 'slot'> {
  const slot = reading(whole, '', doubts)('slot', orAbsent(isSlot), undefined);
  return slot === undefined ? {} : { slot };
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
    ...(own['told'] !== undefined && { told: get('told', orNull(isAppliedState), null) }),
    ...(isRamp(own['ramp']) ? { ramp: own['ramp'] } : noRamp(own['ramp'], `${path}.ramp`, doubts)),
  };
}

/** Without it the weight stays as it is, so the record is not understood. */
function noRamp(ramp: unknown, path: string, doubts: string[]): Record<string, never> {
  if (ramp !== undefined) doubts.push(path);
  return {};
}

/** Reads fields of one object; one that is not as it should be is noted, and replaced. */
function reading(from: Fields, path: string, doubts: string[]) {
  return <T>(key: string, is: Guard<T>, instead: T): T => {
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
