import { peek } from './peek.ts';
import type { SimNode, Taken, World } from './world.ts';

/** The slots of the pool (I5): no step outward without one, none kept in service, none lost by a node that is out. */
export interface SlotJudge {
  watch(taken: Taken): void;
  rested(answers: boolean): void;
}

const ROTATION = ['serving', 'unhealthy'];
/** What a look at the lock has shown may be so old when the step that rests on it is taken. */
const LOOKED_MS = 1_500;

export function createSlotJudge(world: World): SlotJudge {
  const { time, verdicts, lock, freedAt } = world;

  const holds = ({ policy }: SimNode): boolean =>
    lock.view(time.now).holders.some(({ claim }) => claim.node === policy.node);
  const mayStep = (node: SimNode): boolean =>
    holds(node) || time.now - (freedAt.get(node.index) ?? -Infinity) < LOOKED_MS;

  return {
    watch({ node, before, after, effects }) {
      if (node.policy.pool === null) return;
      const { op, isOverSlot, isForced, hold, isGivingBack } = peek(after);
      if (op === null || isOverSlot || isForced || hold !== null || isGivingBack || mayStep(node)) return;
      const begins = ROTATION.includes(before.phase) && after.phase === 'draining';
      const fences = before.phase !== 'fencing' && after.phase === 'fencing' && before.phase === 'settling';
      const stops = effects.some(({ type }) => type === 'stop');
      if (begins || fences || stops) verdicts.broken('out without a slot', [after.phase, op.kind, op.id]);
    },
    rested(answers) {
      if (!answers) return;
      const running = world.nodes.filter(({ policy, running: lives }) => policy.pool !== null && lives);
      for (const node of running) {
        const { phase, op, waiting } = peek(node.state);
        if (ROTATION.includes(phase) && op === null && waiting.length === 0 && holds(node))
          verdicts.broken('slot kept', [phase, node.policy.node]);
      }
      const out = running.filter(
        ({ state }) => !ROTATION.includes(state.phase) && state.phase !== 'returning',
      );
      if (out.length > 0 && lock.view(time.now).holders.length === 0)
        verdicts.broken(
          'slot lost',
          out.map(({ policy, state }) => `${policy.node} ${state.phase}`),
        );
    },
  };
}
