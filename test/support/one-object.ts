import { expect } from '@jest/globals';

/** The one JSON object on stdout: one line, nothing else. */
export function objectOf(stdout: string): Record<string, unknown> {
  expect(stdout).toMatch(/^[^\n]+\n$/);
  return JSON.parse(stdout) as Record<string, unknown>;
}
