import { isDeepStrictEqual } from 'node:util';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import type { SavedSlot, StateRecord } from '../../../agent/lifecycle/model/record.ts';
import { recordOf } from '../../../agent/lifecycle/model/write-record.ts';
import { restore } from '../../../agent/lifecycle/recovery/restore.ts';
import { readRecord } from '../../../agent/lifecycle/recovery/read-record.ts';
import { initial } from '../../../agent/lifecycle/model/state.ts';
import { step } from '../../../agent/lifecycle/step.ts';
import { frozen } from '../world/frozen.ts';
import { createTextJudge } from './judge-texts.ts';
import type { World } from './world.ts';

/**
 * The product's `step`, counted. In a strict world it has to show that it is a pure function: what it is given is
 * frozen, and the same twice gives the same.
 */
export function createStepper(world: World): typeof step {
  const { isStrict, verdicts, coverage } = world;
  const judgeTexts = createTextJudge(world);

  /** What a record holds, a start has again, and would write again. */
  function kept(policy: Policy, record: StateRecord, at: number): void {
    const read = JSON.parse(JSON.stringify(record)) as unknown;
    const understood = readRecord(read);
    const again: StateRecord = recordOf(
      restore(initial(policy, at), policy, understood, true, at),
      at,
      policy,
    );
    // No answer to a start comes after a crash: it is to be sent once more.
    const due = {
      ...record,
      start: record.start === 'sent' ? 'intended' : record.start,
      ...(record.slot && { slot: withServersOf(again.slot, record.slot) }),
    };
    const lost = Object.entries(due).filter(
      ([key, value]) => !isDeepStrictEqual(again[key as keyof StateRecord], value),
    );
    if (!isDeepStrictEqual(read, record)) verdicts.broken('record forgets', 'it is not plain JSON');
    if (understood.doubt !== null) verdicts.broken('record forgets', understood.doubt);
    if (lost.length > 0) verdicts.broken('record forgets', lost);
  }

  /** Which servers a claim names is not kept, but follows at each start from the configuration and from what it has lost. */
  function withServersOf(again: StateRecord['slot'], slot: SavedSlot): SavedSlot {
    return { ...slot, claim: { ...slot.claim, servers: again?.claim.servers ?? {} } };
  }

  return (policy, state, event) => {
    const taken = isStrict ? step(policy, frozen(state), frozen(event)) : step(policy, state, event);
    coverage.step(taken[0].phase);
    if (taken[0].phase !== state.phase) coverage.meet(`${state.phase} -> ${taken[0].phase}`);
    if (!isStrict) return taken;
    judgeTexts(policy, taken[0], taken[1], event.at);
    if (!isDeepStrictEqual(step(policy, state, event), taken))
      verdicts.broken('not pure', [event.type, state.phase]);
    for (const effect of taken[1]) if (effect.type === 'persist') kept(policy, effect.record, event.at);
    return taken;
  };
}
