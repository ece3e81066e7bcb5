import * as z from 'zod';
import type { Finding } from './problem.ts';

const NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a mapping',
  array: 'a list',
};

/**
 * The messages for zod's issues: in YAML's terms, and without the value itself, which may be a secret out of the
 * environment. A message that a field has written is kept.
 */
export function messageFor(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return typeProblem(issue);
  if (issue.code === 'invalid_value') return `expected ${listed(issue.values, 'or')}`;
  if (issue.code === 'too_small') {
    return issue.origin === 'array' ? 'must not be empty' : `must be ${String(issue.minimum)} or more`;
  }
  return issue.code === 'too_big' ? `must be ${String(issue.maximum)} or less` : undefined;
}

type TypeIssue = Extract<z.core.$ZodRawIssue, { readonly code: 'invalid_type' }>;

function typeProblem(issue: TypeIssue): string {
  const { expected, input } = issue;
  if (input === undefined) return 'is required';
  return `expected ${NAMES[expected] ?? expected}, got ${kindOf(input)}${hint(issue)}`;
}

/** How it is meant, probably; nothing that the same key would refuse again. */
function hint({ expected, input, inst }: TypeIssue): string {
  const accepts = (value: unknown): boolean =>
    inst !== undefined && z.safeParse(inst as z.core.$ZodType, value).success;
  if (expected === 'string')
    return (typeof input === 'number' || typeof input === 'boolean') && accepts(String(input))
      ? ', put it in quotes'
      : '';
  if (typeof input !== 'string') return '';
  if (expected === 'boolean' && /^(yes|on|y)$/i.test(input)) return ', write true';
  if (expected === 'boolean' && /^(no|off|n)$/i.test(input)) return ', write false';
  const plain = /^(true|false)$/.test(input) ? input === 'true' : Number(input);
  return /^(-?\d+|true|false)$/.test(input) && accepts(plain) ? ', take the quotes away' : '';
}

function kindOf(input: unknown): string {
  if (input === null) return 'nothing';
  if (Array.isArray(input)) return 'a list';
  if (Number.isNaN(input)) return 'no number';
  if (typeof input === 'number') return Number.isInteger(input) ? 'a whole number' : 'a number';
  if (typeof input === 'boolean') return String(input);
  return NAMES[typeof input] ?? typeof input;
}

/** `a`, `a or b`, `a, b or c`. */
export function listed(values: readonly unknown[], joint: 'and' | 'or'): string {
  const words = values.map(String);
  const last = words.pop() ?? '';
  return words.length === 0 ? last : `${words.join(', ')} ${joint} ${last}`;
}

/** One finding for each key that zod does not accept, one for any other issue. */
export function findingsOf(issue: z.core.$ZodIssue): Finding[] {
  const { path, message } = issue;
  // Beside it stands the issue of the number's own bound, which each number has.
  if (issue.code === 'too_big' && issue.maximum === Number.MAX_SAFE_INTEGER) return [];
  if (issue.code === 'too_small' && issue.minimum === Number.MIN_SAFE_INTEGER) return [];
  if (issue.code !== 'unrecognized_keys') {
    const atKey = issue.code === 'custom' && issue.params?.['at'] === 'key';
    return [{ path, message, at: atKey ? 'key' : 'value' }];
  }
  return issue.keys.map((key) => ({ path: [...path, key], message: `unknown key, ${message}`, at: 'key' }));
}
