import { ALL, type Dimension } from './dimensions.ts';
import { createDraw } from './draw.ts';

/** How many dimensions a campaign mixes; few, so that each of its deeds is often enough done to matter. */
const SIZES = [0, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8, 12, ALL.length];

/** The dimensions of a random campaign, which its seed alone decides. */
export function drawMix(seed: number): readonly Dimension[] {
  const draw = createDraw(seed ^ 0x2545f491);
  const left = [...ALL];
  const size = draw.pick(...SIZES);
  while (left.length > ALL.length - size) left.splice(draw.below(left.length), 1);
  return ALL.filter((dim) => !left.includes(dim));
}
