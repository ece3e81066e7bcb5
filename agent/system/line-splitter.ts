/** Cuts what comes in pieces into lines, holding no more than the one that is not whole yet. */
export interface LineSplitter {
  /** @throws whatever the line's taker throws, or a line longer than `most` characters */
  push(chunk: Buffer): void;
  /** What came after the last newline. */
  rest(): string;
}

/**
 * One character per byte, so that no line can be torn within a character; names and numbers of HAProxy are ASCII.
 * @param onLine each whole line, without its newline
 * @param tooLong what to throw for a line that does not end
 */
export function createLineSplitter(
  onLine: (line: string) => void,
  most: number,
  tooLong: () => Error,
): LineSplitter {
  let rest = '';
  return {
    push(chunk) {
      const text = rest + chunk.toString('latin1');
      let from = 0;
      for (let to = text.indexOf('\n'); to !== -1; to = text.indexOf('\n', from)) {
        onLine(text.slice(from, to));
        from = to + 1;
      }
      rest = text.slice(from);
      if (rest.length > most) throw tooLong();
    },
    rest: () => rest,
  };
}
