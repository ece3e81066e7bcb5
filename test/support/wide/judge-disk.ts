import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { StateRecord } from '../../../agent/lifecycle/model/record.ts';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';
import { peek } from './peek.ts';
import type { SimNode, Taken, World } from './world.ts';

/** I8: nothing is done before the disk holds why, unless an alarm has reported that the disk failed. */
export interface DiskJudge {
  watch(taken: Taken): void;
}

export function createDiskJudge({ verdicts }: World): DiskJudge {
  const proposed = new Map<SimNode, string | null>();
  return {
    watch({ node, before, after, effects }) {
      if (peek(before).hasProposal || peek(after).hasProposal) proposed.set(node, node.disk.content);
      // A request that was given up, to be checked anew, is on disk until the next record is.
      const isProposal = proposed.get(node) === node.disk.content;
      for (const effect of effects) {
        const missing = missingFor(node, effect, isProposal);
        if (missing !== null && !peek(after).hasDiskAlarm)
          verdicts.broken('done before it is on disk', [after.phase, effect.type, missing]);
      }
    },
  };
}

/** What is being done although it is not in the record on disk; null = it is, or need not be. */
function missingFor(node: SimNode, effect: Effect, isProposal: boolean): string | null {
  if (effect.type !== 'set-server' && effect.type !== 'stop' && effect.type !== 'start') return null;
  const record = recordOn(node);
  if (!record) return 'there is no record';
  if (effect.type === 'stop') return record.stopIssued ? null : 'the stop';
  if (effect.type === 'start') return record.start === 'none' ? 'the start' : null;
  const { balancer, server, admin } = effect;
  const { want: wanted = null, said = [] } = record.balancers[balancer]?.servers[server] ?? {};
  // The record may be that of a request that is not installed yet; what is written until then is ours in it.
  const isOurs = wanted === admin || (isProposal && said.includes(admin)) || isOnTheWay(wanted, said, admin);
  return isOurs ? null : `${balancer} ${server} ${admin}, but ${wanted}`;
}

/** DRAIN on the way to MAINT is ours to the next life, too. */
function isOnTheWay(wanted: Admin | null, said: readonly Admin[], admin: Admin): boolean {
  return wanted === 'maint' && admin === 'drain' && said.includes('drain');
}

/** What a start would find now. */
export function recordOn({ disk }: SimNode): StateRecord | null {
  return disk.content === null ? null : (JSON.parse(disk.content) as StateRecord);
}
