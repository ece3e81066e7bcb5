import { isDate, isNativeError } from 'node:util/types';

const SECRET = /passw|token|secret|authori[sz]ation|cookie|credential|private.?key|api.?key|^headers$/i;
const HIDDEN = '[redacted]';
const USER_IN_URL = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;
/** The deepest level that is read: deeper than any record of ours; a value that contains itself ends here. */
const DEPTH = 6;

/** `text` without the user and password of a URL. */
export function redactText(text: string): string {
  return text.replace(USER_IN_URL, `$1${HIDDEN}@`);
}

/**
 * `value` as plain JSON values: nothing under a key that looks like a secret, no user in a URL, errors with their
 * own text. Takes anything and never throws.
 */
export function redact(value: unknown, depth = DEPTH): unknown {
  switch (typeof value) {
    case 'string':
      return redactText(value);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
    case 'undefined':
      return value;
    case 'object':
      return value === null ? null : redactObject(value, depth - 1);
    case 'bigint':
    case 'symbol':
    case 'function':
      return String(value);
  }
}

function redactObject(value: object, depth: number): unknown {
  if (depth === 0) return '[...]';
  if (Array.isArray(value)) return value.map((item) => redact(item, depth));
  if (isDate(value)) return Number.isNaN(value.getTime()) ? 'no date' : value.toISOString();
  const own = Object.entries(value).map(([key, item]) => [
    key,
    SECRET.test(key) ? HIDDEN : redact(item, depth),
  ]);
  if (!isNativeError(value)) return Object.fromEntries(own);
  // An error's message and cause are not enumerable.
  const cause = value.cause === undefined ? {} : { cause: redact(value.cause, depth) };
  return { ...Object.fromEntries(own), message: redactText(value.message), ...cause };
}
