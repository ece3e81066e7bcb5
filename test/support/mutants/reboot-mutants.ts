import type { Mutant } from './mutant.ts';

/** Faults in the reboot of the machine. */
export const REBOOT_MUTANTS: readonly Mutant[] = [
  {
    name: 'a reboot that may have been asked for is asked for again after a crash',
    breaks: 'I6',
    file: 'recovery/restore.ts',
    find: '  if (sameBoot) return reboot;',
    replace: "  if (sameBoot) return reboot === 'sent' ? 'intended' : reboot;",
  },
  {
    name: 'after a power cut the reboot is asked for all the same',
    breaks: 'I6',
    file: 'recovery/restore.ts',
    find: "  if (reboot === 'none') return outcome === null ? 'cut' : 'none';",
    replace: "  if (reboot === 'none') return outcome === null ? 'none' : 'none';",
  },
  {
    name: 'a reboot is asked for before the disk holds its intent',
    breaks: 'I8',
    file: 'phases/reboot.ts',
    find: "  if (op?.kind !== 'reboot' || !isDurable(draft.state)) return;",
    replace: "  if (op?.kind !== 'reboot') return;",
  },
  {
    name: 'a reboot that does not come is waited for without end',
    breaks: 'I14',
    file: 'phases/reboot.ts',
    find: "  if (op.reboot === 'sent' && draft.at >= op.deadline)",
    replace: "  if (op.reboot === 'booted' && draft.at >= op.deadline)",
  },
];
