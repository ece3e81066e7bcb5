import { ALL, type Dimension } from './dimensions.ts';
import type { Rule } from './violation.ts';

/**
 * What each dimension breaks on today's code, and which defects these are: `D…` of the review (core.md), `I15` of
 * host.md, `N…` found by this campaign (CAMPAIGN.md). A defect that is mended leaves this table.
 */
export interface Finding {
  readonly rule: Rule;
  readonly defects: string;
  /** It shows in fewer than one of some hundred campaigns: it may be found, and need not. */
  readonly seldom?: true;
  /** From this seed on it is looked for. */
  readonly seed: number;
}

const FINDINGS: Partial<Record<Dimension, readonly Finding[]>> = {
  forgets: [
    { rule: 'MAINT over READY', defects: 'D4', seed: 14 },
    { rule: 'MAINT over READY while it is stopped', defects: 'N3', seed: 298 },
    { rule: 'user thrown out', defects: 'D4', seed: 169 },
    { rule: 'drained in DRAIN', defects: 'N1', seed: 1, seldom: true },
  ],
  probe: [
    { rule: 'READY without a probe', defects: 'I15', seed: 3 },
    { rule: 'given back without a probe', defects: 'I15', seed: 10 },
  ],
  'no-fence': [
    { rule: 'fenced while unknown', defects: 'D3', seed: 76 },
    { rule: 'fenced without quiet', defects: 'D3', seed: 1, seldom: true },
    { rule: 'user thrown out', defects: 'D3', seed: 1, seldom: true },
  ],
  failures: [{ rule: 'MAINT over READY', defects: 'D4', seed: 39 }],
  hold: [
    { rule: 'hold lost', defects: 'D5', seed: 29 },
    { rule: 'never ends', defects: 'D27', seed: 43 },
    { rule: 'cannot be taken out', defects: 'D27', seed: 43 },
    { rule: 'READY over a hold', defects: 'D6', seed: 46 },
    { rule: 'hold left over', defects: 'D28', seed: 74 },
    { rule: 'MAINT over READY', defects: 'D5', seed: 29 },
  ],
  'dry-run': [{ rule: 'hold lost', defects: 'D5', seed: 13 }],
  'refused-force': [
    { rule: 'hold lost', defects: 'D5', seed: 10 },
    { rule: 'never ends', defects: 'D27', seed: 46 },
    { rule: 'cannot be taken out', defects: 'D27', seed: 46 },
  ],
  expires: [{ rule: 'never expires', defects: 'D7 D36', seed: 100 }],
  'sign-out': [
    { rule: 'sign-out lost', defects: 'D13', seed: 69 },
    { rule: 'refused in silence', defects: 'D13', seed: 8 },
  ],
  schedule: [{ rule: 'refused in silence', defects: 'D31', seed: 1 }],
  'signal-disk': [{ rule: 'shutdown refused', defects: 'D2', seed: 2 }],
  'same-pid': [
    { rule: 'held by nobody', defects: 'D16', seed: 10 },
    { rule: 'not put back', defects: 'D16', seed: 69 },
  ],
  'other-hand': [{ rule: 'READY without a probe', defects: 'I15', seed: 3 }],
};

/** Dimensions that have the deeds of others too, and so may meet what those find; they need not. */
const MEETS: Partial<Record<Dimension, readonly Dimension[]>> = {
  operators: ['forgets'],
  'no-fence': ['forgets'],
  failures: ['forgets'],
  hold: ['forgets', 'operators', 'probe'],
  'dry-run': ['operators', 'hold'],
  'refused-force': ['operators', 'hold'],
  joins: ['no-fence'],
  expires: ['operators', 'forgets', 'probe', 'joins'],
  'no-master': ['forgets'],
  kernel: ['forgets'],
  pollers: ['forgets'],
  'sign-out': ['probe'],
  pool: ['forgets'],
  'same-pid': ['forgets', 'operators'],
  'clock-steps': ['probe'],
  'stale-pid': ['probe'],
  'other-hand': ['probe', 'forgets'],
  'early-stop': ['probe'],
};

/** What a dimension breaks; it must find what is not seldom. */
export function findingsOf(dim: Dimension): readonly Finding[] {
  return FINDINGS[dim] ?? [];
}

/** What it may find: its own, and what it meets of others. */
function mayBreak(dim: Dimension, rule: string): boolean {
  return [dim, ...(MEETS[dim] ?? [])].some((one) => findingsOf(one).some((finding) => finding.rule === rule));
}

/** Of several dimensions, all that any of them finds. */
export function isKnown(dims: readonly Dimension[], rule: string): boolean {
  return dims.some((one) => mayBreak(one, rule));
}

/** The dimensions in which every promise holds today. */
export const HOLDING: readonly Dimension[] = ALL.filter(
  (dim) => findingsOf(dim).length === 0 && MEETS[dim] === undefined,
);
