import { ALL, type Dimension } from './dimensions.ts';
import type { Rule } from './violation.ts';
export interface Finding {
  readonly rule: Rule;
  readonly defects: string;
  readonly seed: number;
}
const FINDINGS: Partial<Record<Dimension, readonly Finding[]>> = {};
export function findingsOf(dim: Dimension): readonly Finding[] {
  return FINDINGS[dim] ?? [];
}
export const HOLDING: readonly Dimension[] = ALL.filter((dim) => findingsOf(dim).length === 0);
