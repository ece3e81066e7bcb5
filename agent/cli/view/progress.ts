import type { OperationKind, Status } from '../../lifecycle/model/api.ts';
import type { ProgressListener } from '../wait-for-result.ts';
import type { Context } from '../ports.ts';
import { deadlineText } from './deadline.ts';
import { livingLine, waitsText } from './living-line.ts';
import { painter, secondsText, sessionsText } from './format.ts';
import { printableLine } from './printable.ts';

/** What is shown while a command waits: one living line on a terminal, a line per change elsewhere, or nothing. */
export interface Progress extends ProgressListener {
  /** Removes the living line; what is written next begins on an empty line. */
  end(): void;
}

/** As many counts as the line has room for. */
const COUNTS = 20;
const REDRAW_MS = 1_000;
/** In a log, counts that change faster than this are one line, in milliseconds. */
const LINE_MS = 1_000;
/** The width for a terminal that reports none. */
const COLUMNS = 80;
const CLEAR = '\r\u001b[2K';

export function createProgress(context: Context, operation: OperationKind): Progress {
  const { json, quiet } = context.globals;
  if (json === true || quiet === true) return createNoProgress();
  return context.ports.stdout.isTTY === true
    ? createLiveLine(context, operation)
    : createLines(context, operation);
}

function createNoProgress(): Progress {
  const nothing = (): void => undefined;
  return {
    accepted: nothing,
    status: nothing,
    disconnected: nothing,
    reconnected: nothing,
    again: nothing,
    end: nothing,
  };
}

function createLines({ ports }: Context, operation: OperationKind): Progress {
  const say = (text: string): unknown => ports.stdout.write(`${printableLine(text)}\n`);
  let last: { phase: string; total: number | null; waits: string; at: number } | null = null;
  let ours = false;
  return {
    accepted(_id, joined) {
      ours = true;
      say(`${operation} ${joined ? 'joined' : 'accepted'}`);
    },
    status(status) {
      const { phase, sessions, operation: running } = status;
      const at = ports.clock.now();
      if (!ours || running === null) return;
      const waits = waitsText(status);
      const isSame = last?.total === sessions.total && last.waits === waits;
      if (last?.phase === phase && (isSame || at - last.at < LINE_MS)) return;
      last = { phase, total: sessions.total, waits, at };
      const time = `${secondsText(running.seconds)} elapsed, ${deadlineText(status, 'short')}`;
      const parts = [`${status.node}: ${phase}`, sessionsText(sessions.total), time, waits];
      say(parts.filter((part) => part !== '').join(', '));
    },
    disconnected: (error) => say(`${error.message}; waiting for it to come back`),
    reconnected: () => say('the sidecar is back'),
    again: (why) => say(`${why}; asking again`),
    end: () => undefined,
  };
}

function createLiveLine(context: Context, operation: OperationKind): Progress {
  const { clock, stdout } = context.ports;
  const paint = painter(context, stdout);
  const counts: (number | null)[] = [];
  let seen: { status: Status; at: number } | null = null;
  let note = `${operation}: asking`;
  let cancel = (): void => undefined;
  const draw = (): void => {
    // Some terminals report a width of 0.
    const width = Math.max(20, (stdout.columns || COLUMNS) - 1);
    const line =
      seen === null
        ? note.slice(0, width)
        : livingLine(seen.status, { age: (clock.now() - seen.at) / 1_000, counts, note, width }, paint);
    stdout.write(`${CLEAR}${line}`);
  };
  const tick = (): void => {
    draw();
    if (seen !== null) push(counts, seen.status.sessions.total);
    cancel();
    cancel = clock.after(REDRAW_MS, tick);
  };
  tick();
  return {
    accepted(_id, joined) {
      stdout.write(`${CLEAR}${operation} ${joined ? 'joined' : 'accepted'}\n`);
      note = '';
      draw();
    },
    status(status) {
      if (counts.at(-1) !== status.sessions.total) push(counts, status.sessions.total);
      seen = { status, at: clock.now() };
      draw();
    },
    disconnected() {
      note = 'the sidecar is gone, waiting for it';
      draw();
    },
    reconnected() {
      note = '';
      draw();
    },
    again(why) {
      stdout.write(`${CLEAR}${printableLine(why)}; asking again\n`);
      draw();
    },
    end() {
      cancel();
      stdout.write(CLEAR);
    },
  };
}

function push(counts: (number | null)[], count: number | null): void {
  counts.push(count);
  if (counts.length > COUNTS) counts.shift();
}
