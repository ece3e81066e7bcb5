import type { OperationKind, Status } from '../../lifecycle/model/api.ts';
import type { ProgressListener } from '../wait-for-result.ts';
import type { Context } from '../ports.ts';
import { painter, secondsText, sessionsText, sparkline } from './format.ts';
import { printableLine } from './printable.ts';

/** What is shown while a command waits: one living line on a terminal, a line per change elsewhere, or nothing. */
export interface Progress extends ProgressListener {
  /** Takes the living line away; what is written next begins on a clean one. */
  end(): void;
}

const SPARKS = 20;
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
    accepted(id, joined) {
      ours = true;
      say(`${operation} ${joined ? 'joined' : 'accepted'} (id ${id})`);
    },
    status(status) {
      const { phase, sessions, operation: running } = status;
      const at = ports.clock.now();
      if (!ours || running === null) return;
      const waits = waitsText(status);
      const isSame = last?.total === sessions.total && last.waits === waits;
      if (last?.phase === phase && (isSame || at - last.at < LINE_MS)) return;
      last = { phase, total: sessions.total, waits, at };
      const time = times(running.seconds, running.remaining);
      say(
        [
          `${status.node}: ${phase}`,
          sessionsText(sessions.total),
          time,
          ...(waits === '' ? [] : [waits]),
        ].join(', '),
      );
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
    const line =
      seen === null ? note : livingLine(seen.status, (clock.now() - seen.at) / 1_000, counts, note);
    // Some terminals report a width of 0.
    const width = Math.max(20, (stdout.columns || COLUMNS) - 1);
    stdout.write(`${CLEAR}${paint('bold', line.slice(0, width))}`);
  };
  const tick = (): void => {
    draw();
    if (seen !== null) push(counts, seen.status.sessions.total);
    cancel();
    cancel = clock.after(REDRAW_MS, tick);
  };
  tick();
  return {
    accepted(id, joined) {
      stdout.write(`${CLEAR}${operation} ${joined ? 'joined' : 'accepted'} (id ${id})\n`);
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
  if (counts.length > SPARKS) counts.shift();
}

/** @param age seconds since the status was true */
function livingLine(status: Status, age: number, counts: readonly (number | null)[], note: string): string {
  const { node, phase, sessions, operation } = status;
  const parts = [`${node} ${phase}`, sessionsText(sessions.total), sparkline(counts)];
  if (operation !== null) parts.push(times(operation.seconds + age, operation.remaining - age));
  const waits = waitsText(status);
  if (waits !== '') parts.push(waits);
  if (note !== '') parts.push(note);
  return parts.join('  ');
}

/** The servers and sources that the operation waits for; a sidecar of an earlier version sends none. */
function waitsText({ waits = [] }: Partial<Pick<Status, 'waits'>>): string {
  return waits.length === 0 ? '' : `waits for ${waits.join('; ')}`;
}

function times(elapsed: number, remaining: number): string {
  return `${secondsText(elapsed)} elapsed, ${secondsText(remaining)} left`;
}
