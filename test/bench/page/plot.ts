import { round, type Plot, type PlotLine } from '../figures.ts';
import { picture, pixel, textAt } from './svg.ts';

const WIDTH = 760;
const HEIGHT = 280;
/** Around the plot itself: the axes' numbers, and the names of the lines at the right. */
const LEFT = 56;
const RIGHT = 220;
const TOP = 28;
const BOTTOM = 44;
const TICKS = 5;
/** Lines beyond these colours begin again with the first one. */
const COLOURS = 6;

/** From the smallest to the largest number of an axis, and where its ticks are. */
interface Axis {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
}

/** Lines over two axes; the upper one begins at 0. */
export function plotOf({ title, across, up, lines }: Plot): string {
  const points = lines.flatMap((line) => line.points);
  const horizontal = axisOf(points.map(([x]) => x));
  const vertical = axisOf([0, ...points.map(([, y]) => y)]);
  const x = (value: number): number => LEFT + share(horizontal, value) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => HEIGHT - BOTTOM - share(vertical, value) * (HEIGHT - TOP - BOTTOM);
  return picture(WIDTH, HEIGHT, title, [
    textAt({ x: LEFT, y: 14 }, up),
    ...vertical.ticks.map((tick) => gridLine(y(tick), round(tick))),
    ...horizontal.ticks.map((tick) =>
      textAt({ x: x(tick), y: HEIGHT - BOTTOM + 18, anchor: 'middle' }, round(tick)),
    ),
    textAt({ x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, anchor: 'middle' }, across),
    ...lines.map((line, index) => lineOf(line, index, x, y)),
    ...lines.map(({ name }, index) => legendOf(name, index)),
  ]);
}

function gridLine(y: number, label: string): string {
  const line = `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${pixel(y)}" y2="${pixel(y)}"/>`;
  return line + textAt({ x: LEFT - 6, y: y + 4, anchor: 'end' }, label);
}

function lineOf(
  { points }: PlotLine,
  index: number,
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  const path = points.map(([across, up]) => `${pixel(x(across))} ${pixel(y(up))}`).join('L');
  return path === '' ? '' : `<path class="line c${index % COLOURS}" d="M${path}"/>`;
}

function legendOf(name: string, index: number): string {
  const [x, y] = [WIDTH - RIGHT + 14, TOP + 8 + index * 20];
  return `<path class="line c${index % COLOURS}" d="M${x} ${y}h22"/>${textAt({ x: x + 28, y: y + 4 }, name)}`;
}

function share({ from, to }: Axis, value: number): number {
  return to === from ? 0 : (value - from) / (to - from);
}

/** Ticks at 1, 2 or 5 times a power of ten. */
function axisOf(values: readonly number[]): Axis {
  const finite = values.filter(Number.isFinite);
  const [least, most] = finite.length === 0 ? [0, 1] : [Math.min(...finite), Math.max(...finite)];
  const rough = (most - least || 1) / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((times) => times * power >= rough) ?? 10) * power;
  const first = Math.floor(least / step);
  const last = Math.ceil(most / step);
  const ticks = Array.from({ length: last - first + 1 }, (_none, index) => (first + index) * step);
  return { from: first * step, to: last * step, ticks };
}
