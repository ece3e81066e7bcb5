import { expect, test } from '@jest/globals';
import { runs } from '../support/long.ts';
import { soak } from '../support/soak/soak.ts';

const CYCLES = 10_000;
const NODES = 4;

test('ten thousand times drain and ready with faults in between: memory, descriptors and timers stay', async () => {
  const each = Math.ceil(runs(CYCLES) / NODES);
  const began = performance.now();
  const soaked = await Promise.all(Array.from({ length: NODES }, () => soak(each)));
  const seconds = Math.round((performance.now() - began) / 1_000);
  for (const one of soaked) process.stdout.write(`soak: ${seconds} s, ${JSON.stringify(one)}\n`);
  expect(soaked.flatMap(({ broken }) => broken)).toEqual([]);
});
