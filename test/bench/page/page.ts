import { isFigure, round } from '../figures.ts';
import type { Machine } from '../machine.ts';
import { cellsOf, methodOf } from '../table.ts';
import { countsOf, NOISY_FROM, type JudgedRow, type PlayedPart } from '../verdict.ts';
import { barsOf } from './bars.ts';
import { plotOf } from './plot.ts';
import { STYLE } from './style.ts';
import { escape } from './svg.ts';

/** One run of the benchmark. */
export interface BenchReport {
  readonly machine: Machine;
  /** The mean number of ready processes of the minute before, and at the end. */
  readonly loadBefore: number;
  readonly loadAfter: number;
  readonly runs: number;
  readonly parts: readonly PlayedPart[];
  /** The parts that an interrupt kept from being measured. */
  readonly unmeasured: readonly string[];
}

/** The run as one page: everything it needs stands in it. It is well-formed as XML, too. */
export function renderPage(report: BenchReport): string {
  const { machine, parts } = report;
  const rows = parts.flatMap((part) => part.rows);
  return [
    '<!DOCTYPE html>',
    '<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>',
    '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
    `<title>lastcall: benchmark of ${escape(machine.date)}</title><style>${STYLE}</style></head><body>`,
    '<h1>lastcall: benchmark</h1>',
    `<p>${countsOf(rows)} of ${rows.length} rows. The thin line through a bar shows the quartiles of what it was made of.</p>`,
    ...machineLines(report),
    noiseLine(parts),
    ...interruptLine(report),
    ...notPassed(rows),
    ...parts.map(partOf),
    '</body></html>',
    '',
  ].join('\n');
}

function machineLines({ machine, loadBefore, loadAfter, runs, parts }: BenchReport): string[] {
  const { processor, cores, memoryGiB, kernel, node, haproxy, commit, date } = machine;
  const minutes = parts.reduce((sum, { seconds }) => sum + seconds, 0) / 60;
  const facts = [
    `${processor}, ${cores} cores, ${round(memoryGiB)} GiB, Linux ${kernel}`,
    `Node ${node}, HAProxy ${haproxy}, lastcall ${commit}`,
    `${date}, ${round(minutes)} minutes, --runs ${runs}; load ${round(loadBefore)} before, ${round(loadAfter)} after`,
  ];
  return facts.map((fact) => `<p class="soft">${escape(fact)}</p>`);
}

function noiseLine(parts: readonly PlayedPart[]): string {
  const noisy = parts.filter(({ noise }) => noise >= NOISY_FROM);
  const worst = round(Math.max(...parts.map(({ noise }) => noise)));
  if (parts.length === 0) return '<p class="warning">Nothing was measured.</p>';
  if (noisy.length === 0)
    return `<p class="soft">The machine was steady: the slowest tenth of equal works took at most ${worst} times the fastest tenth.</p>`;
  const names = noisy.map(({ name, noise }) => `${name} (${round(noise)})`).join(', ');
  return `<p class="warning">Too noisy to judge closely: the slowest tenth of equal works took ${NOISY_FROM} times the fastest tenth or more around ${escape(names)}. Rows that this could have turned are "noisy".</p>`;
}

function interruptLine({ unmeasured }: BenchReport): string[] {
  if (unmeasured.length === 0) return [];
  return [`<p class="warning">Interrupted: ${escape(unmeasured.join(', '))} not measured.</p>`];
}

/** What a reader looks for first. */
function notPassed(rows: readonly JudgedRow[]): string[] {
  const bad = rows.filter(({ verdict }) => verdict !== 'pass');
  if (bad.length === 0) return [];
  const items = bad.map(({ row, verdict }) => `<li>${verdictOf(verdict)} ${escape(row.name)}</li>`);
  return [`<ul>${items.join('')}</ul>`];
}

function partOf({ name, rows, seconds, noise, load }: PlayedPart): string {
  const command = rows[0]?.command ?? '';
  const head = ['verdict', 'what', 'figure', 'limit', 'ratio', 'quartiles'];
  const plots = rows.flatMap(({ row }) => (isFigure(row) ? (row.plots ?? []) : []));
  return [
    `<h2>${escape(name)}</h2>`,
    `<p class="soft"><code>${escape(command)}</code>, ${round(seconds)} s, noise ${round(noise)}, load ${round(load)}</p>`,
    `<div class="wide"><table><thead><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr></thead>`,
    `<tbody>${rows.map(rowOf).join('\n')}</tbody></table></div>`,
    ...plots.map((plot) => `<h3>${escape(plot.title)}</h3><div class="wide">${plotOf(plot)}</div>`),
  ].join('\n');
}

function rowOf(judged: JudgedRow): string {
  const { row } = judged;
  const { name, limit, ratio, spread, note } = cellsOf(judged);
  const verdict = `<td>${verdictOf(judged.verdict)}</td>`;
  if (!isFigure(row))
    return `<tr>${verdict}<td>${escape(name)}</td><td colspan="4">${escape(note)}</td></tr>`;
  const numbers = [limit, ratio, spread].map((cell) => `<td class="number">${escape(cell)}</td>`);
  const what = `<td>${escape(name)}<span class="how">${escape(methodOf(row))}</span></td>`;
  return `<tr>${verdict}${what}<td>${barsOf(row)}</td>${numbers.join('')}</tr>`;
}

function verdictOf(verdict: string): string {
  return `<span class="verdict ${verdict}">${verdict}</span>`;
}
