/**
 * Names of types that several files declare, and how many do: two meanings of one word. The list only shrinks: a name that
 * is not on it fails the test, and so does a number that is too high once one of them has a name of its own.
 */
export const DOUBLED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  agent: {},
  test: {
    Claim: 2,
    Claims: 2,
    Doing: 2,
    Finish: 2,
    Happening: 2,
    Line: 2,
    Mode: 2,
    Oracle: 2,
    Place: 3,
    Poller: 2,
    Report: 2,
    Site: 2,
    Taken: 2,
    Tell: 2,
    User: 2,
    World: 2,
  },
};
