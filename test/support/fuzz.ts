import { isLastcallError } from '../../agent/system/error.ts';

/** Texts of other programs with injuries, and what a reader makes of them. */

/** One kind of text, and its reader. */
export interface Subject {
  readonly name: string;
  /** As it comes from the program itself, one character a byte. Each of its counts is more than zero. */
  readonly text: string;
  /**
   * The counts that the reader finds; null = unknown.
   * @throws LastcallError where it finds none
   */
  read(text: string): readonly number[] | null | Promise<readonly number[] | null>;
  /** What cannot come: a text without an end of its own is whole by the way it comes. Default: everything can. */
  cannotCome?(text: string): boolean;
}

/** What came of it. */
export interface Figures {
  readonly name: string;
  single: number;
  several: number;
  /** Read all the same, as a number above zero. */
  counted: number;
  /** Zeros after several injuries at once: no reader can tell a text that was made anew. */
  zeros: number;
}

/** Bytes that mean something somewhere. */
const TELLING = Array.from(Buffer.from('0123456789 \n\r\t,;:"\'=#/.-+\\[]{}()xaA\0\x7f\xff', 'latin1'));
/** Of the short set: the bytes that make another number, field, line or row. */
const FEW = Array.from(Buffer.from('01 ,\n', 'latin1'));
const ALL = Array.from({ length: 256 }, (_none, byte) => byte);

/** Every text that a single injury makes: cut there, a byte lost, doubled, swapped with the next, or changed. */
export function* singleInjuries(text: string, isThorough: boolean): Generator<string, void> {
  const bytes = isThorough ? ALL : FEW;
  for (let at = 0; at < text.length; at += 1) {
    const [before, byte, after] = [text.slice(0, at), text.charAt(at), text.slice(at + 1)];
    yield before;
    yield before + after;
    yield before + byte + byte + after;
    const next = after.charAt(0);
    if (next !== byte) yield before + next + byte + after.slice(1);
    for (const other of bytes)
      if (other !== byte.charCodeAt(0)) yield before + String.fromCharCode(other) + after;
  }
}

/** A text with two to five injuries, of pieces of it too. */
export function severalInjuries(text: string, random: () => number): string {
  const below = (most: number): number => Math.floor(random() * most);
  let harmed = text;
  for (let times = 2 + below(4); times > 0; times -= 1) {
    const at = below(harmed.length + 1);
    const to = Math.min(harmed.length, at + 1 + below(random() < 0.7 ? 4 : 120));
    const piece = harmed.slice(at, to);
    const [before, after] = [harmed.slice(0, at), harmed.slice(to)];
    const other = String.fromCharCode(TELLING[below(TELLING.length)] ?? 0);
    harmed = [
      before,
      before + after,
      before + piece + piece + after,
      before + other + after,
      before + piece.split('').reverse().join('') + after,
    ][below(5)] as string;
  }
  return harmed;
}

/** The same numbers for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Reads the text after each single injury, and after several as long as there are fewer than `least` inputs.
 * @throws Error for a zero where the unharmed text counts more, or an error that is not typed, with the injured
 *   text
 */
export async function fuzz(subject: Subject, least: number, isThorough: boolean): Promise<Figures> {
  const figures: Figures = { name: subject.name, single: 0, several: 0, counted: 0, zeros: 0 };
  const whole = await subject.read(subject.text);
  if (whole === null || whole.length === 0 || whole.includes(0))
    throw new Error(`${subject.name} is no subject`);
  for (const text of singleInjuries(subject.text, isThorough)) {
    if (subject.cannotCome?.(text) === true) continue;
    figures.single += 1;
    const counts = await readSafely(subject, text);
    if (counts?.includes(0) === true) throw new Error(`${subject.name}: zero out of ${JSON.stringify(text)}`);
    if (counts !== null) figures.counted += 1;
  }
  const random = seeded(1);
  while (figures.single + figures.several < least) {
    figures.several += 1;
    const counts = await readSafely(subject, severalInjuries(subject.text, random));
    if (counts?.includes(0) === true) figures.zeros += 1;
    else if (counts !== null) figures.counted += 1;
  }
  return figures;
}

async function readSafely(subject: Subject, text: string): Promise<readonly number[] | null> {
  try {
    const counts = subject.read(text);
    return counts instanceof Promise ? await counts : counts;
  } catch (error) {
    if (isLastcallError(error)) return null;
    throw new Error(`${subject.name}: an error without a type out of ${JSON.stringify(text)}`, {
      cause: error,
    });
  }
}
