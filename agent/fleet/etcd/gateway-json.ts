import { quotedStart } from '../../system/printable.ts';

/** Reads JSON values of unknown shape, as etcd's gateway writes them. */

const MAX_EXCERPT = 120;

/** The value of a JSON text; undefined where it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Its message would quote the text with all its controls; a caller shows what it expected, and an excerpt.
    return undefined;
  }
}

/** The fields of an object; null for anything else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : null;
}

export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** A list; an absent one is empty, since the gateway leaves out what is empty. Null for anything else. */
export function listOf(value: unknown): readonly unknown[] | null {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : null;
}

/**
 * A number of 64 bits: the gateway writes it as a string, which `Number` would round, and leaves 0 out.
 * @returns null for anything else
 */
export function int64Of(value: unknown): bigint | null {
  if (value === undefined) return 0n;
  return typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : null;
}

/** The beginning of a text from outside, in quotes, as a message may show it. */
export function excerptOf(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return quotedStart(text, MAX_EXCERPT);
}
