import type { Claim } from '../../lifecycle/model/pool.ts';
import { type HolderState, isClaim, isHolderState, writtenClaim, writtenLine } from '../entry-guards.ts';
import { parsed } from './gateway-json.ts';

/** The value of a claim's key. Of a waiter `state` says nothing; `since` is when it came into the queue. */
export interface ClaimEntry extends HolderState {
  readonly claim: Claim;
}

/** As it is written: JSON, in one order whatever the claim was made of, since equal claims have equal texts. */
export function entryText({ claim, state, failure, since }: ClaimEntry): string {
  const { pool, node, id, operation, by, reason, slots, brake, servers } = writtenClaim(claim);
  return JSON.stringify({
    claim: { pool, node, id, operation, by, reason, slots, brake, servers },
    holder: { state, failure: failure === null ? null : writtenLine(failure), since },
  });
}

/**
 * Reads it. Fields of a later version are left aside.
 * @throws RangeError naming the key, where a field is missing or is not of its shape
 */
export function entryOf(key: string, text: string): ClaimEntry {
  const entry = parsed(text);
  if (typeof entry === 'object' && entry !== null && 'claim' in entry && 'holder' in entry) {
    const { claim, holder } = entry;
    if (isClaim(claim) && isHolderState(holder)) return { ...holder, claim };
  }
  throw new RangeError(`${key}: no claim that this version of lastcall can read`);
}
