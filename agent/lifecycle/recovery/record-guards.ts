import type { Code } from '../../system/error.ts';
import type { OperationKind, Request, SourceCount } from '../model/api.ts';
import type { Claim } from '../model/pool.ts';
import type { SlotRequest, Soak } from '../model/slot.ts';
import { PHASES } from '../model/phase.ts';
import type { SavedServer, SavedSlot, StateRecord } from '../model/record.ts';
import {
  type Guard,
  arrayOf,
  isBoolean,
  isNumber,
  isObject,
  isString,
  oneOf,
  orAbsent,
  orNull,
  shaped,
} from './json-guards.ts';
import type { Addresses, ProcessIdentity, Proof } from '../model/observation.ts';

/** The shapes of the parts of a record, as the disk gives them back. */

export const isCapacity = shaped<NonNullable<StateRecord['capacity']>>({
  isOver: isBoolean,
  drainedIn: orNull(oneOf('drain', 'maint')),
});

const KINDS: Readonly<Record<OperationKind, true>> = {
  drain: true,
  stop: true,
  ready: true,
  restart: true,
  reboot: true,
  hold: true,
  release: true,
};

export const isAdmin = oneOf('ready', 'drain', 'maint');

export const isPhase: Guard<StateRecord['phase']> = (value): value is StateRecord['phase'] =>
  isString(value) && Object.hasOwn(PHASES, value);

const isKind: Guard<OperationKind> = (value): value is OperationKind =>
  isString(value) && Object.hasOwn(KINDS, value);

const isProcess = shaped<ProcessIdentity>({ pid: isNumber, startTime: isString });

export const isProof = (value: unknown): value is Proof =>
  isProcess(value) && (!('others' in value) || arrayOf(isProcess)(value.others));

export const isFound = shaped<NonNullable<SavedServer['found']>>({
  admin: isAdmin,
  weight: orNull(isNumber),
});

export const isAppliedState = shaped<NonNullable<SavedServer['told']>>({
  admin: isAdmin,
  at: isNumber,
  pid: orNull(isNumber),
  bornAt: orAbsent(orNull(isNumber)) as Guard<number | null>,
});

export const isRamp = shaped<NonNullable<SavedServer['ramp']>>({
  full: isNumber,
  steps: arrayOf(isNumber),
  stepMs: isNumber,
  since: orNull(isNumber),
  isLow: isBoolean,
  by: oneOf('steps', 'slowstart', 'none'),
});

export const isRelative = shaped<NonNullable<StateRecord['balancers'][string]['relatives']>[number]>({
  name: isString,
  of: isString,
  by: oneOf('track', 'address'),
  servedAt: orAbsent(isString) as Guard<string>,
  role: orNull(oneOf('active', 'backup')),
  usable: isBoolean,
  isShut: orAbsent(isBoolean) as Guard<boolean>,
});

export const isAddresses: Guard<Addresses> = (value): value is Addresses =>
  isObject(value) && Object.values(value).every(isString);

export const isAsker = shaped<NonNullable<NonNullable<StateRecord['hold']>['askers']>[number]>({
  id: isString,
  reason: orNull(isString),
  startedAt: isNumber,
  deadline: isNumber,
  warnings: arrayOf(isString),
});

const isClaimed: Guard<Claim['servers']> = (value): value is Claim['servers'] =>
  isObject(value) && Object.values(value).every(arrayOf(isString));

export const isSlot = shaped<SavedSlot>({
  claim: shaped<Claim>({
    pool: isString,
    node: isString,
    id: isString,
    operation: isKind,
    by: isString,
    reason: orNull(isString),
    slots: isNumber,
    brake: isNumber,
    servers: isClaimed,
  }),
  // Absent in an older record.
  namedAtLock: orAbsent(isClaimed) as Guard<Claim['servers']>,
  lock: orAbsent(arrayOf(isString)) as Guard<readonly string[]>,
  wasHeld: orAbsent(isBoolean) as Guard<boolean>,
  isOver: isBoolean,
  failure: orNull(isString),
  soak: orAbsent(
    shaped<Soak>({
      since: orNull(isNumber),
      // Absent in an older record.
      unknownSince: orAbsent(orNull(isNumber)) as Guard<number | null>,
      failure: orNull(isString),
    }),
  ) as Guard<Soak>,
});

/** Each field that the lifecycle reads; what is absent has its meaning in api.ts. */
const isRequest = shaped<Request>({
  id: isString,
  kind: isKind,
  reason: orNull(isString),
  by: isString,
  timeoutMs: orNull(isNumber),
  onTimeout: orNull(oneOf('restore', 'force', 'hold')),
  expiresMs: orNull(isNumber),
  force: isBoolean,
  fence: isBoolean,
  dryRun: isBoolean,
  isShutdown: isBoolean,
  noRefuse: orAbsent(isBoolean) as Guard<boolean>,
  waitForSlotMs: orAbsent(orNull(isNumber)) as Guard<number | null>,
  accepted: orAbsent(
    shaped<NonNullable<Request['accepted']>>({ since: isNumber, deadline: isNumber }),
  ) as Guard<NonNullable<Request['accepted']>>,
  ignoreServers: orAbsent(arrayOf(isString)) as Guard<readonly string[]>,
  holdIn: orAbsent(oneOf('drain', 'maint')) as Guard<'drain' | 'maint'>,
});

export const isSlotRequest = shaped<SlotRequest>({ request: isRequest, since: isNumber, deadline: isNumber });

type RecordedOperation = NonNullable<StateRecord['op']>;

const isJoined = shaped<NonNullable<RecordedOperation['joined']>[number]>({
  id: isString,
  operation: isKind,
  by: isString,
  reason: orNull(isString),
  terms: isObject,
});

const isSourceCount = shaped<SourceCount>({
  name: isString,
  count: orNull(isNumber),
  error: orNull(isString),
});

const isCounter: Guard<RecordedOperation['baseline'][string]> = (
  value,
): value is RecordedOperation['baseline'][string] =>
  isObject(value) && orNull(isNumber)(value['pid']) && orNull(isObject)(value['counters']);

const isBaseline: Guard<RecordedOperation['baseline']> = (value): value is RecordedOperation['baseline'] =>
  isObject(value) && Object.values(value).every(isCounter);

/** Each field that the lifecycle reads: a new one does not compile before it is listed here. */
export const isOperation = shaped<RecordedOperation>({
  id: isString,
  kind: isKind,
  tickets: arrayOf(shaped<RecordedOperation['tickets'][number]>({ id: isString, kind: isKind })),
  // Absent in an older record.
  joined: orAbsent(arrayOf(isJoined)) as Guard<NonNullable<RecordedOperation['joined']>>,
  by: isString,
  reason: orNull(isString),
  onTimeout: oneOf('restore', 'force', 'hold'),
  timeoutMs: isNumber,
  // Absent in an older record.
  returnMs: orAbsent(isNumber) as Guard<number>,
  expiresMs: orNull(isNumber),
  startedAt: isNumber,
  deadline: isNumber,
  sessionsStart: orNull(isNumber),
  sessionsLast: orNull(isNumber),
  // Absent in an older record.
  countedAtStop: orAbsent(orNull(arrayOf(isSourceCount))) as Guard<RecordedOperation['countedAtStop']>,
  forced: isNumber,
  closed: shaped<RecordedOperation['closed']>({ tunnels: isNumber, requests: isNumber }),
  warnings: arrayOf(isString),
  subjects: orAbsent(arrayOf(isString)) as Guard<readonly string[]>,
  warned: arrayOf(isNumber),
  reasserts: shaped<RecordedOperation['reasserts']>({ count: isNumber, slowestMs: isNumber }),
  baseline: isBaseline,
  // Absent in an older record.
  ignoreServers: orAbsent(arrayOf(isString)) as Guard<readonly string[]>,
  hashed: orAbsent(orNull(isString)) as Guard<string | null>,
  recheck: orAbsent(oneOf('refuse', 'warn', 'none')) as Guard<RecordedOperation['recheck']>,
  reboot: orAbsent(oneOf('none', 'sent', 'booted', 'cut')) as Guard<RecordedOperation['reboot']>,
  // A code of another version is passed on as it is.
  outcome: orNull(
    shaped<NonNullable<RecordedOperation['outcome']>>({ code: isString as Guard<Code>, message: isString }),
  ),
  restoreBy: orNull(isNumber),
});
