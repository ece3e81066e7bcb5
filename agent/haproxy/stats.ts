import { parse } from 'csv-parse/sync';
import { unexpected, type Reply } from './reply.ts';

/** One row of `show stat`, by the names of its columns: their places move between versions (haproxy-versions 2). */
export interface StatRow {
  /** The text of a column; undefined where this HAProxy does not have it. */
  text(column: string): string | undefined;
  /** A column that counts; null when it is missing, empty or no whole number: never taken for 0. */
  count(column: string): number | null;
}

/**
 * Reads the CSV of `show stat`. Fields may be quoted: agent-check texts carry commas (haproxy-facts A).
 * @returns its rows, none for a header alone
 * @throws LastcallError `balancer-unreachable` when it is no such CSV
 */
export function parseStats(answer: string, reply: Reply): readonly StatRow[] {
  if (!answer.startsWith('# pxname,')) throw unexpected(reply, answer);
  return records(answer.slice('# '.length), reply).map(rowOf);
}

type Record_ = Readonly<Record<string, string>>;

function records(csv: string, reply: Reply): readonly Record_[] {
  try {
    // The line ends with a comma, so the last column has no name: it is left out.
    return parse(csv, { columns: (header: string[]) => header.map((name) => (name === '' ? false : name)) });
  } catch {
    throw unexpected(reply, csv);
  }
}

function rowOf(record: Record_): StatRow {
  const columns = new Map(Object.entries(record));
  return {
    text: (column) => columns.get(column),
    count: (column) => wholeNumber(columns.get(column)),
  };
}

/** A whole number of 0 or more, or null. */
export function wholeNumber(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return null;
  return Number(text);
}
