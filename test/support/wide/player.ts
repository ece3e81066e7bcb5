import { playRange, type Range } from './range.ts';

/**
 * A process that plays a range of campaigns: `node player.js RANGE` (JSON); each violation, the progress, and the end, is a
 * line of JSON.
 */
const range = JSON.parse(process.argv[2] ?? '') as Range;
const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const end = playRange(
  range,
  (broken) => say({ broken }),
  (progress) => say({ progress }),
);
say({ end });
