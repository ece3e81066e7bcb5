import { blankEntry, readEntry, type Entry } from './table-entry.ts';
import { unexpected, type ReplyContext } from '../reply.ts';

/**
 * The answer to `show info;show table NAME` as it comes, piece by piece. A table may hold millions of entries, so an
 * entry is never made a string here: it is looked at where it lies.
 */
export interface TableDump {
  /** @throws LastcallError for a line that has no place in such an answer, or what a taker throws */
  push(chunk: Buffer): void;
  /**
   * To be called at the end of the answer.
   * @throws LastcallError `balancer-unreachable` when it ended before the table did
   */
  finish(): void;
}

export interface DumpHandlers {
  /** The lines of `show info`. */
  readonly onInfo: (text: string) => void;
  /** The line that begins the table; throws for one that does not. */
  readonly onHeader: (line: string) => void;
  /** One entry, which ends before `to` in `bytes`. All of it is valid during the call only. */
  readonly onEntry: (entry: Entry, bytes: Buffer, to: number) => void;
  /** The error for a line among the entries that is none; the line may hold a key, so no message shows it. */
  readonly notEntry: (line: string) => Error;
}

type Part = 'info' | 'header' | 'entries' | 'end';

const NEWLINE = 0x0a;
/** HAProxy writes no line that is longer than its buffer (`tune.bufsize`, 16 kB). */
const MOST_LINE = 64 * 1024;
const NOTHING = Buffer.alloc(0);

export function createTableDump(asked: ReplyContext, handlers: DumpHandlers): TableDump {
  const info: string[] = [];
  let part: Part = 'info';
  let rest: Buffer = NOTHING;
  const entry = blankEntry();

  const takeLine = (bytes: Buffer, from: number, to: number): void => {
    if (part === 'entries' && bytes[from] === 0x30 && bytes[from + 1] === 0x78) {
      if (!readEntry(bytes, from, to, entry)) throw handlers.notEntry('');
      return handlers.onEntry(entry, bytes, to);
    }
    part = takeOther(part, bytes.toString('latin1', from, to));
  };
  const takeOther = (at: Part, line: string): Part => {
    if (at === 'info') {
      if (line !== '') return (info.push(line), 'info');
      handlers.onInfo(info.join('\n'));
      return 'header';
    }
    if (at === 'header') return (handlers.onHeader(line), 'entries');
    if (line === '') return 'end';
    throw handlers.notEntry(line);
  };

  return {
    push(chunk) {
      let from = 0;
      if (rest.length > 0) {
        const to = chunk.indexOf(NEWLINE);
        const line = Buffer.concat([rest, to < 0 ? chunk : chunk.subarray(0, to)]);
        if (line.length > MOST_LINE) throw unexpected(asked, 'a line without an end');
        rest = to < 0 ? line : NOTHING;
        if (to < 0) return;
        takeLine(line, 0, line.length);
        from = to + 1;
      }
      for (let to = chunk.indexOf(NEWLINE, from); to >= 0; to = chunk.indexOf(NEWLINE, from)) {
        takeLine(chunk, from, to);
        from = to + 1;
      }
      // A copy: what is left of a piece would keep all of it in memory.
      if (from < chunk.length) rest = Buffer.from(chunk.subarray(from));
    },
    finish() {
      if (part !== 'end' || rest.length > 0) throw unexpected(asked, 'it ends before the table does');
    },
  };
}
