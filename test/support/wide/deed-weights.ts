import type { Deed } from './deeds.ts';
import type { Dimension } from './dimensions.ts';
import type { Draw } from './draw.ts';
import type { Mode } from './line.ts';
import { anyKind, plain, submit, type Weighted } from './deed-makers.ts';
import { MORE } from './dimension-deeds.ts';

const BASE: Weighted = [
  [
    6,
    submit((draw) => ({
      kind: anyKind(draw),
      timeoutMs: draw.pick(null, null, 2_000, 8_000),
    })),
  ],
  [2, () => ({ do: 'reload', keepsState: true })],
  [2, (draw) => ({ do: 'crash', leak: false, awayMs: draw.below(300) })],
  [1, (draw) => ({ do: 'mode', mode: draw.pick<Mode>('answers', 'answers', 'slow', 'refuses', 'silent') })],
  [5, plain('visit')],
  [3, plain('click')],
  [3, plain('leave')],
  [1, plain('enqueue')],
  [1, plain('cancel')],
  [1, plain('source')],
  [1, plain('telling')],
  [1, plain('master')],
];

const PAUSES = [0, 1, 5, 20, 60, 200, 700, 2_500, 6_000];

export function drawDeeds(draw: Draw, dims: ReadonlySet<Dimension>): Deed[] {
  const makers = [BASE, ...[...dims].map((dim) => MORE[dim])].flat();
  const total = makers.reduce((sum, [weight]) => sum + weight, 0);
  const one = (): Deed => {
    let left = draw.below(total);
    const [, make] = makers.find(([weight]) => (left -= weight) < 0) ?? (BASE[0] as Weighted[number]);
    return { after: draw.pick(...PAUSES), which: draw.below(8), ...make(draw) } as Deed;
  };
  return Array.from({ length: 3 + draw.below(25) }, one);
}
