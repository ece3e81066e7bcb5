import { parse } from 'csv-parse/sync';
import { columnsOf, parseCount, type Columns } from './columns.ts';
import { unexpected, withoutSeverity, type Reply } from '../reply.ts';

/** One row of `show stat`, by the names of its columns: their places move between versions (BEHAVIOUR.md#show-stat). */
export interface StatRow {
  /** The text of a column; undefined where this HAProxy does not have it. */
  text(column: string): string | undefined;
  /** A column that counts; null when it is missing, empty or no whole number: never taken for 0. */
  count(column: string): number | null;
  /**
   * The code of a check's last answer (`L7OK`, `INI` before the first); '' without a check. HAProxy writes `* ` before
   * it while another check is under way (management.txt).
   */
  checkCode(column: 'check_status' | 'agent_status'): string;
}

/** HAProxy's answer where no proxy has the number that was asked for: a reload has moved it, as it may move a server's. */
const NO_PROXY = /^No such proxy\.\s*$/;

/** How a header begins. */
const HEADER = '# pxname,svname,';

/**
 * Reads the CSV of `show stat`. Fields may be quoted: agent-check texts carry commas (BEHAVIOUR.md#show-stat).
 * @returns its rows, each with as many fields as the header has; none for a header alone, and where there is no such proxy
 * @throws LastcallError `balancer-unreachable` when it is no such CSV
 */
export function parseStats(answer: string, reply: Reply): readonly StatRow[] {
  if (NO_PROXY.test(withoutSeverity(answer))) return [];
  const [header = [], ...rows] = fieldsOf(answer, reply);
  const columns = statColumns(header, reply);
  return rows.map((row) => statRow(columns, row, reply));
}

/**
 * The columns of a header, by its fields.
 * @throws LastcallError `balancer-unreachable` when it is none
 */
export function statColumns(header: readonly string[], reply: Reply): Columns {
  const line = header.join(',');
  // The line ends with a comma.
  const names = line.startsWith(HEADER) && line.endsWith(',') ? line.slice('# '.length, -1).split(',') : [];
  const columns = columnsOf(names);
  if (columns === null || columns.count === 0) throw unexpected(reply, line);
  return columns;
}

/**
 * A row by its fields.
 * @throws LastcallError `balancer-unreachable` when it has not as many as its header
 */
export function statRow(columns: Columns, row: readonly string[], reply: Reply): StatRow {
  if (row.length !== columns.count + 1 || row.at(-1) !== '') throw unexpected(reply, row.join(','));
  return {
    text: (column) => columns.field(row, column),
    count: (column) => parseCount(columns.field(row, column)),
    checkCode: (column) => (columns.field(row, column) ?? '').replace(/^\* /, ''),
  };
}

/**
 * Any lines of CSV.
 * @throws LastcallError `balancer-unreachable` for a quote that is not closed, and other damage
 */
export function fieldsOf(csv: string, reply: Reply): readonly (readonly string[])[] {
  // No line without a quote needs the slow way.
  if (!csv.includes('"'))
    return csv
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => line.split(','));
  try {
    return parse(csv, { record_delimiter: '\n', relax_column_count: true });
  } catch {
    throw unexpected(reply, csv);
  }
}
