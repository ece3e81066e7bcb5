/** Guards for JSON values whose shape is not known: each returns whether a value is what it should be. */

export type Is<T> = (value: unknown) => value is T;

export type Fields = Readonly<Record<string, unknown>>;

export const isObject: Is<Fields> = (value): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isArray: Is<readonly unknown[]> = (value): value is readonly unknown[] => Array.isArray(value);

export const isNumber: Is<number> = (value): value is number =>
  typeof value === 'number' && Number.isFinite(value);

export const isString: Is<string> = (value): value is string => typeof value === 'string';

export const isBoolean: Is<boolean> = (value): value is boolean => typeof value === 'boolean';

export function orNull<T>(is: Is<T>): Is<T | null> {
  return (value): value is T | null => value === null || is(value);
}

export function oneOf<const T extends string>(...all: readonly T[]): Is<T> {
  return (value): value is T => all.some((one) => one === value);
}

export function arrayOf<T>(is: Is<T>): Is<readonly T[]> {
  return (value): value is readonly T[] => isArray(value) && value.every(is);
}

/** An object with at least these fields. */
export function shaped<T>(fields: { readonly [K in keyof T]-?: Is<T[K]> }): Is<T> {
  const entries = Object.entries(fields) as [string, Is<unknown>][];
  return (value): value is T => isObject(value) && entries.every(([key, is]) => is(value[key]));
}

export function orAbsent<T>(is: Is<T>): Is<T | undefined> {
  return (value): value is T | undefined => value === undefined || is(value);
}
