import type { Exchange } from './recorder.ts';

/** Whose state was at HAProxy, by a log of all that passed (I2). The product's code has no part in it. */
export interface OverrideVerdict {
  /** Operators' MAINT and DRAIN that differed from what the sidecar wanted when it first saw them. */
  readonly foreign: number;
  /** Words of the sidecar. */
  readonly writes: number;
  /** Words of the sidecar after an operator's `ready`: a level is held. */
  readonly again: number;
  readonly overrides: readonly string[];
}

interface Standing {
  readonly admin: string;
  readonly by: Exchange['by'];
  /** Null until the sidecar has looked. */
  foreign: boolean | null;
}

/** A wish reaches the disk, and with it this log, a moment after the sidecar has it. */
const WISH_LAG_MS = 100;

/**
 * Replays a log of one server.
 * @param exchanges in the order of HAProxy; `note` is the state that the sidecar wants, by its record on disk
 * @param server `backend/server`
 */
export function findOverrides(exchanges: readonly Exchange[], server: string): OverrideVerdict {
  const overrides: string[] = [];
  let standing: Standing = { admin: 'ready', by: 'operator', foreign: null };
  let ours: string | null = null;
  let [foreign, writes, again] = [0, 0, 0];
  for (const [index, exchange] of exchanges.entries()) {
    const { by, line } = exchange;
    const word = wordIn(line, server);
    if (word === null) {
      if (by === 'operator' || standing.foreign !== null || !tellsState(exchange)) continue;
      const wishes = [ours, ...wishesAt(exchanges, index)];
      standing.foreign = standing.by === 'operator' && standing.admin !== 'ready';
      if (standing.foreign && wishes.includes(standing.admin)) standing.foreign = false;
      if (standing.foreign) foreign += 1;
      continue;
    }
    if (by === 'sidecar') {
      writes += 1;
      if (standing.by === 'operator' && standing.admin === 'ready') again += 1;
      if (standing.foreign) {
        const seen = `#${index}: an operator's ${standing.admin} was seen, and then the sidecar said ${word}`;
        overrides.push([seen, ...before(exchanges, index)].join('\n'));
      }
      ours = word;
    }
    if (word !== standing.admin) standing = { admin: word, by, foreign: null };
  }
  return { foreign, writes, again, overrides };
}

/** What passed before it, to show how it came. */
function before(exchanges: readonly Exchange[], index: number): string[] {
  const last = exchanges[index]?.at ?? 0;
  return exchanges.slice(Math.max(0, index - 30), index + 3).map(({ by, line, answer, at, note }) => {
    const row = /^(?:app,app1,.*|\d+ app \d+ app1 .*)$/gm;
    const shown = (answer.match(row) ?? []).map(
      (text) => /UP|DOWN|DRAIN|MAINT|NOLB|app1 \S+ \d \d+ \d+ \d+/.exec(text)?.[0],
    );
    return `${(at - last).toFixed(1)} ${by} ${line.slice(0, 60)} -> ${shown.join('|') || answer.trim().slice(0, 30)} wish=${note}`;
  });
}

/** The administrative state that a line asks for, or null when it asks for none. */
function wordIn(line: string, server: string): string | null {
  if (line === `disable server ${server}`) return 'maint';
  if (line === `enable server ${server}`) return 'ready';
  const prefix = `set server ${server} state `;
  return line.startsWith(prefix) ? line.slice(prefix.length) : null;
}

function tellsState({ line }: Exchange): boolean {
  return line.includes('show stat') || line.includes('show servers state');
}

function wishesAt(exchanges: readonly Exchange[], index: number): (string | null)[] {
  const [look, ...later] = exchanges.slice(index, index + 20);
  const soon = later.filter(({ at }) => look !== undefined && at - look.at <= WISH_LAG_MS);
  return [look, ...soon].flatMap((exchange) => exchange?.note ?? []);
}
