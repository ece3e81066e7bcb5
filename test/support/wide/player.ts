import { playRange, type Range } from './range.ts';

/** A process that plays a range of campaigns: `node player.js RANGE` (JSON); each violation, and the end, is a line of JSON. */
const range = JSON.parse(process.argv[2] ?? '') as Range;
const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
say({ end: playRange(range, (broken) => say({ broken })) });
