import type { Claim, SlotHolder } from '../../lifecycle/model/pool.ts';
import { fieldsOf, numberOf, parsed, textOf } from './json.ts';

/** The value of a claim's key. */
export interface ClaimEntry {
  readonly claim: Claim;
  /** Of a holder; a waiter has `out` as well, which says nothing. */
  readonly state: SlotHolder['state'];
  readonly failure: string | null;
  /** Wall clock, milliseconds, for people only: of the queue while it waits, of the slot while it holds one. */
  readonly since: number;
}

/** As it is written: JSON, with the claim's fields at its top, for people with `etcdctl get`. */
export function entryText({ claim, state, failure, since }: ClaimEntry): string {
  const { pool, node, id, operation, by, reason, slots, brake, servers } = claim;
  // In one order whatever the claim was made of: equal claims have equal texts.
  return JSON.stringify({
    pool,
    node,
    id,
    operation,
    by,
    reason,
    slots,
    brake,
    servers,
    state,
    failure,
    since,
  });
}

/**
 * Reads it. Fields of a later version are left aside.
 * @throws RangeError naming the key, where a field is missing or is of another kind
 */
export function entryOf(key: string, text: string): ClaimEntry {
  const fields = fieldsOf(parsed(text)) ?? {};
  const read = <T>(name: string, as: (value: unknown) => T | null): T => {
    const value = as(fields[name]);
    if (value === null) throw new RangeError(`${key}: no ${name} that can be read`);
    return value;
  };
  const orNull = (name: string): string | null => (fields[name] === null ? null : read(name, textOf));
  return {
    claim: {
      pool: read('pool', textOf),
      node: read('node', textOf),
      id: read('id', textOf),
      operation: read('operation', operationOf),
      by: read('by', textOf),
      reason: orNull('reason'),
      slots: read('slots', countOf),
      brake: read('brake', countOf),
      servers: read('servers', serversOf),
    },
    state: read('state', stateOf),
    failure: orNull('failure'),
    since: read('since', numberOf),
  };
}

/** An operation of a later version is one that this version need not know: it is shown, and nothing else. */
function operationOf(value: unknown): Claim['operation'] | null {
  return textOf(value) as Claim['operation'] | null;
}

function countOf(value: unknown): number | null {
  const number = numberOf(value);
  return number !== null && Number.isSafeInteger(number) && number >= 1 ? number : null;
}

function stateOf(value: unknown): SlotHolder['state'] | null {
  return value === 'out' || value === 'soaking' || value === 'failed' ? value : null;
}

function serversOf(value: unknown): Claim['servers'] | null {
  const fields = fieldsOf(value);
  if (fields === null) return null;
  const lists = Object.values(fields);
  const isRight = lists.every((list) => Array.isArray(list) && list.every((one) => typeof one === 'string'));
  return isRight ? (fields as Claim['servers']) : null;
}
