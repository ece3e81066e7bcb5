import type { FaultStage } from './fault-stage.ts';

/** One row of the catalogue of faults. */
export interface Fault {
  /** 1 to 72, as the catalogue counts them. */
  readonly number: number;
  readonly title: string;
  /** How the fault is made, so that a reader can make it by hand. */
  readonly made: string;
  /** What lastcall has to do then. */
  readonly expected: string;
  /** Makes the fault and looks at what comes of it; absent where it is not made. */
  readonly run?: (stage: FaultStage) => Promise<FaultSeen>;
  /** Why it is not made here; absent where it is. */
  readonly notMade?: string;
  /** What the catalogue says otherwise, and why this row differs. */
  readonly corrected?: string;
  /** How long it may take, in milliseconds; default 60 s. */
  readonly deadlineMs?: number;
}

/** What was seen, and whether that is what was expected. */
export interface FaultSeen {
  readonly text: string;
  readonly isAsExpected: boolean;
  /** A measured value, with its unit. */
  readonly figure?: string;
}

/** Thrown by a fault that needs what this machine does not have or does not allow. */
export class NotHere extends Error {}

type PlainValue = string | number | boolean | null | undefined;

/** What a value has to be: the same, a text that matches, a number within bounds, or a list of the same. */
export type Expectation =
  PlainValue | RegExp | { readonly atLeast?: number; readonly atMost?: number } | readonly PlainValue[];

/**
 * Compares what was seen with what is expected, name by name.
 * @param seen by name; only plain values and lists of them
 * @param expected for each name of `seen`
 */
export function compare<Name extends string>(
  seen: Readonly<Record<Name, PlainValue | readonly PlainValue[]>>,
  expected: Readonly<Record<Name, Expectation>>,
  figure?: string,
): FaultSeen {
  const names = Object.keys(expected) as Name[];
  const wrong = names.filter((name) => !meets(seen[name], expected[name]));
  const told = names.map((name) => `${name}: ${shown(seen[name])}`).join('; ');
  const missed = wrong.map((name) => `${name} (expected ${wanted(expected[name])})`).join(', ');
  return {
    text: wrong.length === 0 ? told : `${told}. NOT AS EXPECTED: ${missed}`,
    isAsExpected: wrong.length === 0,
    ...(figure === undefined ? {} : { figure }),
  };
}

function meets(value: PlainValue | readonly PlainValue[], expected: Expectation): boolean {
  if (expected instanceof RegExp) return typeof value === 'string' && expected.test(value);
  if (isBounds(expected)) {
    const { atLeast = -Infinity, atMost = Infinity } = expected;
    return typeof value === 'number' && value >= atLeast && value <= atMost;
  }
  return JSON.stringify(value) === JSON.stringify(expected);
}

function isBounds(
  expected: Expectation,
): expected is { readonly atLeast?: number; readonly atMost?: number } {
  return typeof expected === 'object' && expected !== null && ('atLeast' in expected || 'atMost' in expected);
}

const LONGEST = 160;

function shown(value: PlainValue | readonly PlainValue[]): string {
  const text = (typeof value === 'string' ? value : String(JSON.stringify(value)))
    .replaceAll(/\s+/g, ' ')
    .trim();
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function wanted(expected: Expectation): string {
  if (expected instanceof RegExp) return String(expected);
  return shown(
    isBounds(expected) ? JSON.stringify(expected) : (expected as PlainValue | readonly PlainValue[]),
  );
}
