/** One function of each kind that test/code-shape.test.ts has to measure. */

export function declared(): number {
  return 3;
}

export const expression = function (): number {
  const four = 4;
  return four;
};

export const arrow = (): number => {
  const two = 2;
  const three = 3;
  return two + three;
};

export const holder = {
  method(): number {
    return 3;
  },
  get getter(): number {
    const four = 4;
    return four;
  },
};

export class Measured {
  readonly #five: number;
  constructor(five: number) {
    if (five !== 5)
      // A line of its own.
      throw new Error('five');
    this.#five = five;
  }
  get five(): number {
    return this.#privately();
  }
  #privately(): number {
    return this.#five;
  }
}
