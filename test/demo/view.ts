import type { Report } from '../fixtures/users.ts';

/** What a spectator sees of a round at one moment. */
export interface View {
  readonly seconds: number;
  /** What is being done right now. */
  readonly doing: string;
  readonly report: Report;
  readonly nodes: readonly {
    readonly name: string;
    /** HAProxy's word for the server. */
    readonly status: string;
    /** Sessions in the node's memory; null while it cannot be asked. */
    readonly sessions: number | null;
  }[];
}

const COLUMNS = ['HAProxy', 'sessions', 'requests', 'failed', 'lost'] as const;

/** The live table, line by line. */
export function renderTable(view: View): string[] {
  const { report } = view;
  const sessions = view.nodes.reduce((sum, node) => sum + (node.sessions ?? 0), 0);
  return [
    row('', COLUMNS),
    ...view.nodes.map((node) => {
      const seen = report.nodes[node.name] ?? { requests: 0, failed: 0, lost: 0 };
      return row(node.name, [
        node.status,
        node.sessions === null ? 'down' : count(node.sessions),
        ...[seen.requests, seen.failed, seen.lost].map(count),
      ]);
    }),
    row('all', ['', ...[sessions, report.requests, report.failed, report.lost].map(count)]),
    `  ${view.seconds.toFixed(1)} s   ${view.doing}`,
  ];
}

/** The same in one line, for a pipe. */
export function renderLine(view: View): string {
  const nodes = view.nodes.map(
    ({ name, status, sessions }) =>
      `${name} ${status} ${sessions === null ? 'down' : `${sessions} sessions`}`,
  );
  const { requests, failed, lost } = view.report;
  return (
    `${view.seconds.toFixed(1).padStart(6)} s  ${nodes.join(' | ')} | ` +
    `${count(requests)} requests, ${count(failed)} failed, ${count(lost)} lost`
  );
}

function row(name: string, cells: readonly string[]): string {
  const [status = '', ...figures] = cells;
  return `  ${name.padEnd(6)}${status.padEnd(16)}${figures.map((figure) => figure.padStart(10)).join('')}`;
}

/** 1234 as `1,234`. */
export function count(value: number): string {
  return value.toLocaleString('en');
}
