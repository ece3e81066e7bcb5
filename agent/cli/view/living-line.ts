import type { Status } from '../../lifecycle/model/api.ts';
import { deadlineText } from './deadline.ts';
import { type Paint, secondsText, sessionsText, sparkline, type Style } from './format.ts';

/** The one line that a terminal shows while a command waits: what is left, until when, and what is not known. */

interface LinePart {
  readonly text: string;
  readonly style: Style | null;
}

/** The least number of bars: one bar shows no curve. */
const LEAST_SPARKS = 2;
const GAP = '  ';

export interface LineState {
  /** Seconds since the status was true. */
  readonly age: number;
  /** The last counts, the newest at the end. */
  readonly counts: readonly (number | null)[];
  /** A further note, or an empty text. */
  readonly note: string;
  /** Columns that it may take. */
  readonly width: number;
}

/**
 * What does not fit is cut at the end, and the curve gets the room that is left, so the first columns stay still: node and
 * phase, the sessions, when the last one is expected to go, the deadline and what happens then, what is not known.
 */
export function livingLine(status: Status, { age, counts, note, width }: LineState, paint: Paint): string {
  const { node, phase, sessions } = status;
  const parts: readonly LinePart[] = [
    { text: `${node} ${phase}`, style: 'bold' },
    { text: sessionsText(sessions.total), style: sessions.total === null ? 'magenta' : 'bold' },
    { text: endText(status, age), style: null },
    { text: deadlineText(status, 'short', age), style: null },
    { text: waitsText(status), style: 'yellow' },
    { text: note, style: 'red' },
  ];
  const shown = parts.filter(({ text }) => text !== '');
  const taken = shown.reduce((sum, { text }) => sum + text.length + GAP.length, 0);
  const sparks = Math.min(counts.length, width - taken);
  const curve = sparks < LEAST_SPARKS ? [] : [{ text: sparkline(counts.slice(-sparks)), style: null }];
  return cut([...shown, ...curve], width, paint);
}

/** The parts in a row of at most `width` columns; colours take none. */
function cut(parts: readonly LinePart[], width: number, paint: Paint): string {
  let room = width;
  return parts
    .map(({ text, style }, at) => {
      const piece = `${at === 0 ? '' : GAP}${text}`.slice(0, Math.max(0, room));
      room -= piece.length;
      return style === null || piece === '' ? piece : paint(style, piece);
    })
    .join('');
}

/** When the last user is expected to be gone, or why that is not known. */
function endText({ eta, etaReason }: Status, age: number): string {
  const { seconds = null, atMost = null } = eta ?? {};
  if (seconds !== null) return `gone in about ${secondsText(seconds - age)}`;
  return atMost === null ? (etaReason ?? '') : `gone in at most ${secondsText(atMost - age)}`;
}

/**
 * What the operation waits for, after a colon: a server or a source, or a whole sentence such as `app1 holds a slot`. A sidecar of
 * an earlier version sends none.
 */
export function waitsText({ waits = [] }: Partial<Pick<Status, 'waits'>>): string {
  return waits.length === 0 ? '' : `waits: ${waits.join('; ')}`;
}
