import { expect } from '@jest/globals';

/** Reports on the terminal that a check did not run here, and why: a silent skip is a lie. */
export function skipped(why: string): void {
  process.stderr.write(`\nSKIPPED: ${expect.getState().currentTestName ?? 'a test'}: ${why}\n`);
}
