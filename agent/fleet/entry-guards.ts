import {
  arrayOf,
  type Guard,
  isNumber,
  isObject,
  isString,
  oneOf,
  orNull,
  shaped,
} from '../lifecycle/recovery/json-guards.ts';
import type { Claim, SlotHolder } from '../lifecycle/model/pool.ts';
import { hasUnprintable, printable } from '../system/printable.ts';

/** Guards for what other nodes have written into a lock: an entry of another shape is not believed. */

/** The longest text, such as a reason: it is one line of a log. */
const MOST_TEXT = 1_000;
/** As haproxy/names.ts has it. */
const MOST_NAME = 15_000;
const MOST_NUMBER = 10_000;

const isLine: Guard<string> = (value): value is string =>
  isString(value) && value.length <= MOST_TEXT && !hasUnprintable(value);

const isCount: Guard<number> = (value): value is number =>
  isNumber(value) && Number.isInteger(value) && value >= 1 && value <= MOST_NUMBER;

/** `backend/server`, by HAProxy's own alphabet (configuration.txt, 2.2): it may be asked for by this name. */
const isServer: Guard<string> = (value): value is string =>
  isString(value) && value.length <= MOST_NAME && /^[A-Za-z0-9_.:-]+\/[A-Za-z0-9_.:-]+$/.test(value);

const isServers: Guard<Claim['servers']> = (value): value is Claim['servers'] =>
  isObject(value) &&
  Object.entries(value).every(([address, names]) => isLine(address) && arrayOf(isServer)(names));

export const isClaim = shaped<Claim>({
  pool: isLine,
  node: isLine,
  id: (value): value is string => isString(value) && /^[0-9a-f]{16}$/.test(value),
  operation: oneOf('drain', 'stop', 'ready', 'restart', 'reboot', 'hold', 'release'),
  by: isLine,
  reason: orNull(isLine),
  slots: isCount,
  brake: isCount,
  servers: isServers,
});

/** What is kept of a holder besides its claim. */
export type HolderState = Pick<SlotHolder, 'state' | 'failure' | 'since'>;

export const isHolderState = shaped<HolderState>({
  state: oneOf('out', 'soaking', 'failed'),
  failure: orNull(isLine),
  since: isNumber,
});

/** A text of this node in the form that the other nodes' guards accept. */
export function writtenLine(text: string): string {
  return printable(text).slice(0, MOST_TEXT);
}

export function writtenClaim(claim: Claim): Claim {
  const { by, reason } = claim;
  return { ...claim, by: writtenLine(by), reason: reason === null ? null : writtenLine(reason) };
}
