import { openSite, type Site } from '../support/site.ts';
import { isMissing, passes, type Row } from './figures.ts';
import type { Part } from './parts.ts';
import { renderRows } from './table.ts';

export interface RunOptions {
  readonly parts: Readonly<Record<string, Part>>;
  readonly runs: number;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/** All rows of the parts, one part after the other. */
export async function runParts({ parts, runs, signal, print }: RunOptions): Promise<Row[]> {
  let opened: Promise<Site> | null = null;
  const site = (): Promise<Site> => (opened ??= openSite({}, signal));
  const rows: Row[] = [];
  try {
    for (const part of Object.values(parts)) {
      signal.throwIfAborted();
      const more = await part({ signal, runs, site });
      for (const line of renderRows(more)) print(line);
      rows.push(...more);
    }
  } finally {
    await (opened as Promise<Site> | null)?.then((where) => where.close());
  }
  return rows;
}

/** What is missing has not failed. */
export function exitCodeOf(rows: readonly Row[]): 0 | 1 {
  return rows.every((row) => isMissing(row) || passes(row)) ? 0 : 1;
}
