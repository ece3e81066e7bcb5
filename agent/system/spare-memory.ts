import { setFlagsFromString } from 'node:v8';

const SPARING = ['--semi-space-growth-factor=1', '--optimize-for-size', '--no-sparkplug', '--no-opt'];

/**
 * For the process that stays. A sidecar makes little garbage and runs little code for months: without this V8 lets the young
 * generation grow by 16 MB, and keeps 4 MB of its optimizing compiler in memory for what each start compiles
 * (`npm run bench -- --only resting`). To be called before the program is loaded; `hot-code.ts` takes back what costs time.
 */
export function spareMemory(): void {
  for (const flag of SPARING) setFlagsFromString(flag);
}
