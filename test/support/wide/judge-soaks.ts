import type { SlotHolder } from '../../../agent/lifecycle/model/pool.ts';
import { peek } from './peek.ts';
import type { SimNode, Taken, World } from './world.ts';

/** `return.soak`: what came back over READY keeps its slot so long, and what fails in it is seen by the others. */
export interface SoakJudge {
  watch(taken: Taken): void;
  /** The node has asked for its slot to be given back. */
  given(node: SimNode): void;
  rested(node: SimNode): void;
}

const ROTATION = ['serving', 'unhealthy'];
/** A sidecar that boots may see the node well before it has recovered. */
const SLACK_MS = 20;

export function createSoakJudge({ time, verdicts, lock, freedAt }: World): SoakJudge {
  /** When each node came back over READY; it owes a soak since. */
  const backAt = new Map<number, number>();

  /** READY is its way back. */
  const returning = new Set<number>();

  const holderOf = ({ policy }: SimNode): SlotHolder | undefined =>
    lock.view(time.now).holders.find(({ claim }) => claim.node === policy.node);

  return {
    watch({ node, before, after }) {
      const isFreed = (freedAt.get(node.index) ?? -Infinity) >= (backAt.get(node.index) ?? Infinity);
      if (isFreed) backAt.delete(node.index);
      const { isGivingBack, restoring } = peek(after);
      // In rotation it is the READY of a balancer that was left out.
      if (isGivingBack && !restoring && !ROTATION.includes(after.phase)) returning.add(node.index);
      // It was passed before the node left again, where the slot was kept for the next request.
      if (
        !ROTATION.includes(after.phase) &&
        time.now - (backAt.get(node.index) ?? Infinity) >= node.policy.soakMs
      )
        backAt.delete(node.index);
      if (ROTATION.includes(before.phase) || !ROTATION.includes(after.phase)) return;
      const owes = returning.delete(node.index) || backAt.has(node.index);
      if (owes && holderOf(node) !== undefined) backAt.set(node.index, time.now);
      else backAt.delete(node.index);
    },
    given(node) {
      const { soakMs } = node.policy;
      const ms = time.now - (backAt.get(node.index) ?? -Infinity);
      const isFailed = peek(node.state).soakFailure !== null;
      if (ms < soakMs - SLACK_MS || isFailed)
        verdicts.broken('soak cut short', `${node.policy.node}: ${Math.round(ms)} of ${soakMs} ms`);
      backAt.delete(node.index);
    },
    rested(node) {
      const { soakFailure } = peek(node.state);
      const held = holderOf(node);
      if (soakFailure !== null && held !== undefined && held.state !== 'failed')
        verdicts.broken('failed in silence', [node.policy.node, held.state, soakFailure]);
    },
  };
}
