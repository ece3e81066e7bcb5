import { quartiles, round, type Figure } from '../figures.ts';
import { escape, picture, pixel, textAt } from './svg.ts';

const LINE = 22;
const NAMES = 170;
const WIDTH = 520;
/** What is left of the width for the values behind the bars. */
const VALUES = 80;
const LONGEST_NAME = 25;

interface Bar {
  readonly name: string;
  readonly value: number;
  readonly samples: readonly number[];
  readonly style: 'own' | 'peer';
}

/** A figure as a bar, with one for its peer and for each other; the quartiles as a line, the limit as a mark through all. */
export function barsOf(figure: Figure): string {
  const bars = allBars(figure);
  const limit = figure.kind === 'ratio' ? figure.limit * figure.peer.value : figure.limit;
  const ends = bars.map(({ samples }) => (samples.length === 0 ? 0 : quartiles(samples)[1]));
  const largest = Math.max(0, limit, ...bars.map(({ value }) => value), ...ends.filter(Number.isFinite));
  const across = (value: number): number =>
    NAMES + (largest > 0 && value > 0 ? (value / largest) * (WIDTH - NAMES - VALUES) : 0);
  const height = bars.length * LINE + 16;
  const mark = pixel(across(limit));
  return picture(WIDTH, height, `${figure.name}: ${bars.map(said).join(', ')}; limit ${round(limit)}`, [
    ...bars.map((bar, index) => drawn(bar, index * LINE, across)),
    `<line class="limit" x1="${mark}" x2="${mark}" y1="0" y2="${bars.length * LINE}"/>`,
    ...bars.map((bar, index) => labelled(bar, index * LINE, figure.unit, across)),
    textAt({ x: across(limit), y: height - 4, anchor: 'middle' }, `limit ${round(limit)} ${figure.unit}`),
  ]);
}

function allBars({ value, samples = [], peer, others = [] }: Figure): Bar[] {
  const peers = [...(peer === undefined ? [] : [peer]), ...others];
  return [
    { name: 'lastcall', value, samples, style: 'own' },
    ...peers.map((one): Bar => ({
      name: one.name,
      value: one.value,
      samples: one.samples ?? [],
      style: 'peer',
    })),
  ];
}

function said({ name, value }: Bar): string {
  return `${name} ${round(value)}`;
}

function drawn({ value, samples, style }: Bar, top: number, across: (value: number) => number): string {
  const width = pixel(across(value) - NAMES);
  const bar = `<rect class="${style}" x="${NAMES}" y="${top + 4}" width="${width}" height="14" rx="2"/>`;
  if (samples.length < 2) return bar;
  const [from, to] = quartiles(samples).map((end) => pixel(across(end)));
  const middle = top + 11;
  return `${bar}<path class="spread" d="M${from} ${middle}H${to}M${from} ${middle - 4}v8M${to} ${middle - 4}v8"/>`;
}

/** The name before the bar, whole when pointed at, and the value behind it. */
function labelled(
  { name, value, samples }: Bar,
  top: number,
  unit: string,
  across: (value: number) => number,
): string {
  const short = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
  const said = `${round(value)} ${unit}`.trim();
  const end = Math.max(across(value), samples.length < 2 ? 0 : across(quartiles(samples)[1]));
  return [
    `<g><title>${escape(`${name}: ${said}`)}</title>`,
    textAt({ x: NAMES - 6, y: top + 15, anchor: 'end' }, short),
    textAt({ x: end + 6, y: top + 15 }, said),
    '</g>',
  ].join('');
}
