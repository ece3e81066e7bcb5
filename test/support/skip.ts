import { expect } from '@jest/globals';

/** Says on the terminal that a check did not run here, and why: a skip that nobody sees is a lie. */
export function skipped(why: string): void {
  process.stderr.write(`\nSKIPPED: ${expect.getState().currentTestName ?? 'a test'}: ${why}\n`);
}
