import type { Receipt } from './round.ts';
import { count } from './view.ts';

const ROWS: readonly (readonly [string, (receipt: Receipt) => string])[] = [
  ['', ({ name }) => name],
  ['users', ({ report }) => count(report.people)],
  ['requests', ({ report }) => count(report.requests)],
  ['failed requests', ({ report }) => `${count(report.failed)} failed`],
  ['lost sessions', ({ report }) => `${count(report.lost)} lost`],
  ['seconds', ({ seconds }) => seconds.toFixed(1)],
];

/** Both receipts side by side, and what follows from them. */
export function renderReceipts(naive: Receipt, lastcall: Receipt): string[] {
  const both = [naive, lastcall];
  const table = ROWS.map(([name, cell]) => {
    const values = both.map((receipt) => cell(receipt).padStart(20));
    return `  ${name.padEnd(16)}${values.join('')}`;
  });
  const failures = lastcall.report.failures.map((failure) => `  failed under lastcall: ${failure}`);
  return ['', ...table, '', ...both.map(verdict), ...failures];
}

/** True when no user was let down. */
export function isClean(receipt: Receipt): boolean {
  return receipt.report.failed === 0 && receipt.report.lost === 0;
}

function verdict({ name, report }: Receipt): string {
  return `${name}: ${count(report.failed)} failed, ${count(report.lost)} lost`;
}
