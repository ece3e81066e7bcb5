import { execFileSync } from 'node:child_process';
import { arch, cpus, release } from 'node:os';
import type { Fault } from './fault.ts';

/** What became of one row. */
export interface FaultOutcome {
  readonly fault: Fault;
  /** `failed`: it ran, and not as expected. */
  readonly is: 'ok' | 'failed' | 'not made';
  readonly seen: string;
  readonly figure: string | null;
  readonly seconds: number;
}

/** The row in one line, for a terminal. */
export function lineOf({ fault, is, seen, figure, seconds }: FaultOutcome): string {
  const number = String(fault.number).padStart(2);
  const tail = [`${seconds.toFixed(1)} s`, ...(figure === null ? [] : [figure])].join(', ');
  return `${number} ${is.padEnd(8)} ${fault.title}: ${seen} (${tail})`;
}

/** How many of each, in words. */
export function summaryOf(outcomes: readonly FaultOutcome[]): string {
  const count = (is: FaultOutcome['is']): number => outcomes.filter((outcome) => outcome.is === is).length;
  return `${outcomes.length} faults: ${count('ok')} as expected, ${count('failed')} failed, ${count('not made')} not made here`;
}

/** REPORT.md. @param at when it was made */
export function renderReport(outcomes: readonly FaultOutcome[], at: Date): string {
  const corrected = outcomes.filter(({ fault }) => fault.corrected !== undefined);
  return [
    '# The faults report',
    '',
    `Written by \`npm run faults\` on ${at.toISOString().slice(0, 16).replace('T', ' ')} UTC, with ${versions()}.`,
    '',
    `**${summaryOf(outcomes)}.** Each fault is a program in this folder that makes it for real, with real processes and sockets;`,
    '`npm run faults -- 11 12` makes two of them again. It ends with 1 when a fault that was made did not go as expected.',
    '',
    '| # | fault | how it was made | expected | seen | figure | result |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...outcomes.map(({ fault, is, seen, figure }) =>
      row([
        String(fault.number),
        fault.title,
        fault.made,
        fault.expected,
        verbatim(seen),
        verbatim(figure ?? ''),
        is === 'failed' ? '**FAILED**' : is,
      ]),
    ),
    '',
    ...(corrected.length === 0 ? [] : ['## Where the catalogue is corrected', '']),
    ...corrected.map(
      ({ fault }) => `- ${fault.number} (${cell(fault.title)}): ${cell(fault.corrected ?? '')}`,
    ),
    ...(corrected.length === 0 ? [] : ['']),
  ].join('\n');
}

const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;

/** One line that does not end a table's cell. */
function cell(text: string): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .replaceAll('|', String.raw`\|`)
    .trim();
}

/** The same of what programs have written, none of which is markup. */
function verbatim(text: string): string {
  return text.replaceAll(/[\\<>*_`[\]]/g, String.raw`\$&`);
}

function versions(): string {
  const first = execFileSync('haproxy', ['-v'], { encoding: 'utf8' }).split('\n')[0] ?? '';
  const haproxy = /version (\S+)/.exec(first)?.[1] ?? 'unknown';
  return `HAProxy ${haproxy}, Node.js ${process.versions.node}, Linux ${release()} (${arch()}, ${cpus().length} CPUs)`;
}
