import { setFlagsFromString } from 'node:v8';

/**
 * Something long has to be read: V8 optimizes again what is hot, as it does by default (`spare-memory.ts` has turned that off). To
 * read a stick table byte by byte without it takes twenty times as long.
 */
export function compileHotCode(): void {
  setFlagsFromString('--sparkplug');
  setFlagsFromString('--opt');
}
