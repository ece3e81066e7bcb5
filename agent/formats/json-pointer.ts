import { LastcallError } from '../system/error.ts';
import { WrittenNumber, type WrittenJson } from './json-text.ts';

/**
 * A JSON pointer (RFC 6901) as its list of keys.
 * @throws LastcallError `config` when it does not begin with `/` (the empty pointer, the whole document, is legal)
 *   or holds a `~` that is neither `~0` nor `~1`
 */
export function parsePointer(text: string): readonly string[] {
  if (text === '') return [];
  if (!text.startsWith('/') || /~(?![01])/.test(text)) {
    throw new LastcallError('config', `not a JSON pointer: ${text}`, {
      target: text,
      next: 'write it as /key/key (RFC 6901)',
    });
  }
  const keys = text.slice(1).split('/');
  // In this order, so that `~01` becomes `~1` and not `/`.
  return keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The value that the pointer leads to, or undefined (no JSON value is) when it leads nowhere. */
export function valueAt(document: WrittenJson, keys: readonly string[]): WrittenJson | undefined {
  let value = document;
  for (const key of keys) {
    if (typeof value !== 'object' || value === null || value instanceof WrittenNumber) return undefined;
    if (Array.isArray(value) && !/^(0|[1-9]\d*)$/.test(key)) return undefined;
    if (!Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, WrittenJson>)[key] as WrittenJson;
  }
  return value;
}
