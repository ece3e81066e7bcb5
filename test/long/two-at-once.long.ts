import { expect, test } from '@jest/globals';
import { runs } from '../support/long.ts';
import { openTwoNodes } from '../support/two-nodes.ts';

const ROUNDS = 50;

test('two sidecars, two nodes, asked at once: never both fenced, and at least one done', async () => {
  const two = await openTwoNodes();
  try {
    const ended = new Map<string, number>();
    for (let round = 0; round < runs(ROUNDS); round += 1) {
      const { codes, bothFenced, neither } = await two.race();
      expect({ round, bothFenced, neither, done: codes.includes('done') }).toEqual({
        round,
        bothFenced: false,
        neither: false,
        done: true,
      });
      ended.set(codes.join(), (ended.get(codes.join()) ?? 0) + 1);
      await two.reset();
    }
    process.stdout.write(
      `two at once: ${[...ended].map(([codes, times]) => `${codes} ${times}`).join('; ')}\n`,
    );
  } finally {
    await two.close();
  }
});
