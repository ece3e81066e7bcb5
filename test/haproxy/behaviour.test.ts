import { describe, expect, test } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Haproxy, startHaproxy } from '../support/haproxy.ts';
import { packageRoot } from '../support/sample.ts';

/** The commands and answers of haproxy/BEHAVIOUR.md are what the installed HAProxy answers. */

const PAGE = readFileSync(join(packageRoot(), 'haproxy/BEHAVIOUR.md'), 'utf8');

/** The fenced blocks of a language, each with the heading that it stands under. */
function blocksOf(language: string): [heading: string, lines: string[]][] {
  let heading = '';
  return PAGE.split(/^(?=## |```)/m).flatMap((part): [string, string[]][] => {
    heading = /^## (.*)/.exec(part)?.[1] ?? heading;
    const body = part.startsWith(`\`\`\`${language}\n`) ? part.split('\n').slice(1) : null;
    return body === null ? [] : [[heading, body.filter((line) => line !== '')]];
  });
}

/** Plays the block, and answers what the page would have to show. */
async function played(haproxy: Haproxy, lines: readonly string[]): Promise<string[]> {
  const shown: string[] = [];
  for (const line of lines.filter((one) => one.startsWith('> '))) {
    const [command = '', columns] = line.slice(2).split(' | ');
    const answer = await haproxy.command(command);
    const rows = columns === undefined ? answer.split('\n') : columnsOf(answer, columns.split(' '));
    shown.push(line, ...rows.filter((row) => row.trim() !== ''));
  }
  return shown;
}

/** Of an answer with a `#` header, in CSV or with blanks. */
function columnsOf(answer: string, names: readonly string[]): string[] {
  const [header = '', ...rows] = answer.slice(answer.indexOf('# ') + 2).split('\n');
  const delimiter = header.includes(',') ? ',' : ' ';
  const fieldsOf = (row: string): string[] =>
    (parse(row, { delimiter, relax_column_count: true }) as string[][])[0] ?? [];
  const places = names.map((name) => fieldsOf(header).indexOf(name));
  expect(places).not.toContain(-1);
  return rows
    .filter((row) => row.trim() !== '')
    .map((row) => places.map((at) => fieldsOf(row)[at]).join(' '));
}

/** `...` on the page stands for anything, within its line. */
function matching(line: string): unknown {
  if (!line.includes('...')) return line;
  const parts = line.split('...').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return expect.stringMatching(new RegExp(`^${parts.join('.*')}$`));
}

describe('BEHAVIOUR.md says what HAProxy answers under', () => {
  const config = blocksOf('haproxy.cfg')[0]?.[1].join('\n') ?? '';
  test.each(blocksOf('haproxy'))('"%s"', async (_heading, lines) => {
    const haproxy = await startHaproxy((dir) => `${config.replaceAll('DIR', dir)}\n`);
    try {
      expect(lines.filter((line) => line.startsWith('> ')).length).toBeGreaterThan(1);
      expect(await played(haproxy, lines)).toEqual(lines.map(matching));
    } finally {
      await haproxy.stop();
    }
  });
});
