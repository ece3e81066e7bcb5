/** Guards for JSON values whose shape is not known: each returns whether a value is what it should be. */

export type Guard<T> = (value: unknown) => value is T;

export type Fields = Readonly<Record<string, unknown>>;

export const isObject: Guard<Fields> = (value): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isArray: Guard<readonly unknown[]> = (value): value is readonly unknown[] =>
  Array.isArray(value);

export const isNumber: Guard<number> = (value): value is number =>
  typeof value === 'number' && Number.isFinite(value);

export const isString: Guard<string> = (value): value is string => typeof value === 'string';

export const isBoolean: Guard<boolean> = (value): value is boolean => typeof value === 'boolean';

export function orNull<T>(is: Guard<T>): Guard<T | null> {
  return (value): value is T | null => value === null || is(value);
}

export function oneOf<const T extends string>(...all: readonly T[]): Guard<T> {
  return (value): value is T => all.some((one) => one === value);
}

export function arrayOf<T>(is: Guard<T>): Guard<readonly T[]> {
  return (value): value is readonly T[] => isArray(value) && value.every(is);
}

/** An object with at least these fields. */
export function shaped<T>(fields: { readonly [K in keyof T]-?: Guard<T[K]> }): Guard<T> {
  const entries = Object.entries(fields) as [string, Guard<unknown>][];
  return (value): value is T => isObject(value) && entries.every(([key, is]) => is(value[key]));
}

export function orAbsent<T>(is: Guard<T>): Guard<T | undefined> {
  return (value): value is T | undefined => value === undefined || is(value);
}
