/** Where the body of an HTTP request ends, in the bytes that follow its head (RFC 9112, 6 and 7.1). */
export interface BodyEnd {
  /** How many of the next bytes, one character each, belong to the body. */
  take(bytes: string): number;
  /** Nothing that follows belongs to it. */
  readonly over: boolean;
}

/** @param head of the request, one character a byte; the parser refuses an invalid one */
export function bodyEnd(head: string): BodyEnd {
  const lines = head.split('\n');
  if (lines.some((line) => /^transfer-encoding:/i.test(line))) return inChunks();
  const lengths = lines.map((line) => /^content-length:[ \t]*(\d{1,15})[ \t]*\r?$/i.exec(line)?.[1]);
  return ofLength(Number(lengths.find((length) => length !== undefined) ?? 0));
}

function ofLength(length: number): BodyEnd {
  let left = length;
  return {
    take(bytes) {
      const taken = Math.min(left, bytes.length);
      left -= taken;
      return taken;
    },
    get over() {
      return left === 0;
    },
  };
}

function inChunks(): BodyEnd {
  let part: 'size' | 'trailer' | 'over' = 'size';
  /** Of the chunk, with the line end behind it. */
  let data = 0;
  let line = '';
  const onLine = (): void => {
    const text = line.trim();
    line = '';
    if (part === 'trailer') {
      if (text === '') part = 'over';
      return;
    }
    const size = parseInt(/^[0-9a-f]+/i.exec(text)?.[0] ?? '', 16);
    if (Number.isNaN(size)) part = 'over';
    else if (size === 0) part = 'trailer';
    else data = size + '\r\n'.length;
  };
  return {
    take(bytes) {
      let at = 0;
      while (at < bytes.length && part !== 'over') {
        if (data > 0) {
          const taken = Math.min(data, bytes.length - at);
          data -= taken;
          at += taken;
          continue;
        }
        const end = bytes.indexOf('\n', at);
        line += bytes.slice(at, end < 0 ? undefined : end);
        at = end < 0 ? bytes.length : end + 1;
        if (end >= 0) onLine();
      }
      return at;
    },
    get over() {
      return part === 'over';
    },
  };
}
