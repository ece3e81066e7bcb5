import { recordOn } from './judge-disk.ts';
import { peek } from './peek.ts';
import type { SimNode, Taken, World } from './world.ts';

/** The reboot of the machine: once in an operation, known to the next boot, and never over a user or a hold. */
export interface RebootJudge {
  watch(taken: Taken): void;
}

/** An application that another hand has started so short a time ago is not known yet. */
const REVIVED_MS = 3_000;

export function createRebootJudge({ verdicts, people, time }: World): RebootJudge {
  const asked = new Set<string>();
  /** How often the machine had booted when the operation was seen first. */
  const bootsAt = new Map<string, number>();

  function watch({ node, after, effects }: Taken): void {
    const { op } = peek(after);
    if (op?.kind === 'reboot' && !bootsAt.has(op.id)) bootsAt.set(op.id, node.boots);
    for (const effect of effects) if (effect.type === 'reboot') judge(node, after, effect.id);
  }

  function judge(node: SimNode, after: Taken['after'], id: string): void {
    const { app, index } = node;
    if (asked.has(id)) verdicts.broken('rebooted twice', id);
    asked.add(id);
    if (node.boots !== bootsAt.get(id)) verdicts.broken('rebooted after a power cut', id);
    if (peek(after).hold !== null) verdicts.broken('rebooted while it is held', id);
    const isKnown = app.main !== null && time.now - app.bornAt > REVIVED_MS;
    if (isKnown && people.of(index).length > 0) verdicts.broken('rebooted with users', id);
    const { op } = recordOn(node) ?? {};
    if (op?.id !== id || (op.reboot ?? 'none') === 'none')
      verdicts.broken('rebooted before it is on disk', id);
  }

  return { watch };
}
