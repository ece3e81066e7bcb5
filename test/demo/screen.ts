import { renderLine, renderTable, type View } from './view.ts';

/** Where the demo is shown: a table that is drawn again and again on a terminal, plain lines in a pipe. */
export interface Screen {
  /** Shows the moment. In a pipe at most one line a second. */
  show(view: View): void;
  /** The step that begins. A terminal's table shows it already; in a pipe it is a line. */
  step(what: string): void;
  /** A line that stays. */
  say(line: string): void;
  /** Leaves the last table standing; whatever follows is written below it. */
  rest(): void;
}

/** Standard output, as far as a screen needs to know it. */
export interface Output {
  readonly isTTY?: boolean;
  /** Width of the terminal. */
  readonly columns?: number;
  write(text: string): unknown;
}

/** Between two lines of a pipe, in seconds of the round. */
const LINE_EVERY = 1;

/** The screen that suits the output. */
export function createScreen(out: Output): Screen {
  return out.isTTY === true ? terminal(out) : pipe(out);
}

function terminal(out: Output): Screen {
  let drawn = 0;
  const clear = (): void => {
    // Up to the table's first line, then everything below it is erased.
    if (drawn > 0) out.write(`\u001b[${drawn}A\u001b[J`);
    drawn = 0;
  };
  return {
    show(view) {
      clear();
      // A line that wrapped would take two rows, and the next drawing would begin too low.
      const lines = renderTable(view).map((line) => line.slice(0, (out.columns ?? 80) - 1));
      out.write(`${lines.join('\n')}\n`);
      drawn = lines.length;
    },
    step: () => undefined,
    say(line) {
      clear();
      out.write(`${line}\n`);
    },
    rest() {
      drawn = 0;
    },
  };
}

function pipe(out: Output): Screen {
  let next = 0;
  return {
    show(view) {
      if (view.seconds < next) return;
      next = view.seconds + LINE_EVERY;
      out.write(`${renderLine(view)}\n`);
    },
    step: (what) => void out.write(`          ${what}\n`),
    say: (line) => void out.write(`${line}\n`),
    rest() {
      next = 0;
    },
  };
}
