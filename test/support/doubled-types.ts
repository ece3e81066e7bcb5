/**
 * Names of types that several files declare, and how many do: two meanings of one word. The list only shrinks: a name that
 * is not on it fails the test, and so does a number that is too high once one of them has a name of its own.
 */
export const DOUBLED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  agent: {},
  test: {},
};
