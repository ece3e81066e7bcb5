import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { processesWith } from '../support/marked-processes.ts';
import { missingOf } from './peers/peers.ts';
import type { Row } from './figures.ts';
import { describeMachine } from './machine.ts';
import { endProcessesWith } from './end-processes.ts';
import { renderPage, type BenchReport } from './page/page.ts';
import { playParts, type PlayOptions } from './run.ts';
import { renderTable } from './table.ts';
import { exitCodeOf, type PlayedPart } from './verdict.ts';
import { elsewhere, faultOfXml } from './well-formed.ts';

const STEADY = { loop: [4, 4, 4, 4], start: [40, 40, 40, 41] };
/** Its slowest tenth takes twice the median. */
const NOISY = { loop: [4, 4, 4, 8], start: [40, 40, 40, 41] };

const SLOWER: Row = {
  name: 'seconds <of> a "roll"',
  value: 31,
  unit: 's',
  kind: 'ratio',
  limit: 1.1,
  peer: { name: "the reference's & no other", value: 30, samples: [29, 30, 32] },
  samples: [30, 31, 33],
  how: 'three runs \u{0} of it',
  plots: [{ title: 'a < b', across: 's', up: 'ms', lines: [{ name: 'x&y', points: [[0, 1], [1, 5]] }] }], // prettier-ignore
};
const BROKEN: Row = { name: 'much too slow', value: 300, unit: 'ms', limit: 100, how: 'once' };
const LOST: Row = { name: 'lost sessions', value: 1, unit: '', limit: 0, exact: true, how: 'ten runs' };
const MISSING: Row = { name: 'rolled by ansible', missing: 'no ansible on PATH: apt-get install ansible' };

const OPTIONS: PlayOptions = {
  parts: {},
  runs: 1,
  signal: new AbortController().signal,
  print: () => undefined,
  steadiness: () => Promise.resolve(STEADY),
  endLeftovers: () => Promise.resolve(0),
};

describe('judged', () => {
  test.each([
    { is: 'kept', rows: [SLOWER], noise: STEADY, verdicts: ['pass'], code: 0 },
    { is: 'broken', rows: [SLOWER, BROKEN], noise: STEADY, verdicts: ['pass', 'FAIL'], code: 1 },
    {
      is: 'no better than its peer by the factor that it needs',
      rows: [{ ...SLOWER, limit: 1 }],
      noise: STEADY,
      verdicts: ['FAIL'],
      code: 1,
    },
    { is: 'no number', rows: [{ ...LOST, value: Number.NaN }], noise: STEADY, verdicts: ['FAIL'], code: 1 },
    { is: 'missing alone', rows: [MISSING], noise: STEADY, verdicts: ['missing'], code: 75 },
    {
      is: 'missing beside one that is kept',
      rows: [SLOWER, MISSING],
      noise: STEADY,
      verdicts: ['pass', 'missing'],
      code: 0,
    },
    {
      is: "broken by the machine's doing",
      rows: [SLOWER, { ...LOST, machine: 'it stood still for 30 s' }],
      noise: STEADY,
      verdicts: ['pass', 'noisy'],
      code: 75,
    },
    {
      is: 'kept, or broken, on a machine that starved what was measured',
      rows: [
        { ...SLOWER, starved: 'HAProxy waited 40 % of the time for a processor' },
        { ...BROKEN, starved: 'there was time for 2 of 5 runs' },
      ],
      noise: STEADY,
      verdicts: ['noisy', 'noisy'],
      code: 75,
    },
    {
      is: 'too close to the limit for the noise',
      rows: [SLOWER],
      noise: NOISY,
      verdicts: ['noisy'],
      code: 75,
    },
    {
      is: 'a broken limit that no noise excuses',
      rows: [BROKEN, LOST],
      noise: NOISY,
      verdicts: ['FAIL', 'FAIL'],
      code: 1,
    },
  ])('a limit that is $is', async ({ rows, noise, verdicts, code }) => {
    const played = await play({ part: () => rows }, noise);
    const judged = played.flatMap((part) => part.rows);
    expect({ verdicts: judged.map(({ verdict }) => verdict), code: exitCodeOf(judged) }).toEqual({
      verdicts,
      code,
    });
  });

  test('a part that throws, or measures nothing, has failed, and the others go on', async () => {
    const bad = (): Row[] => {
      throw new Error('HAProxy did not start');
    };
    const rows = (await play({ bad, empty: () => [], good: () => [SLOWER] })).flatMap((part) => part.rows);
    expect(rows.map(({ row, verdict }) => [row.name, verdict])).toEqual([
      ['bad', 'FAIL'],
      ['empty', 'FAIL'],
      [SLOWER.name, 'pass'],
    ]);
    expect(renderTable(rows)[1]).toMatch(/^bad +FAIL: HAProxy did not start$/);
  });

  test('a part that is not over within its limit has failed, what it left running is ended, and the others go on', async () => {
    const word = `LASTCALL_TEST_PART=${randomUUID()}`;
    const [mark = '', value = ''] = word.split('=');
    const deaf = (): Promise<Row[]> => {
      spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1e6)'], {
        env: { ...process.env, [mark]: value },
        stdio: 'ignore',
      });
      return new Promise(() => undefined);
    };
    const played = await playParts({
      ...OPTIONS,
      parts: {
        deaf: { play: deaf, limitMs: () => 300 },
        good: { play: () => [SLOWER], limitMs: () => 60_000 },
      },
      closingMs: 200,
      endLeftovers: () => endProcessesWith(word),
    });
    expect(processesWith(word)).toEqual([]);
    expect(played.flatMap(({ rows }) => rows.map(({ verdict }) => verdict))).toEqual(['FAIL', 'pass']);
    expect(played[0]?.rows[0]?.row).toEqual({
      name: 'deaf',
      broken:
        'not over after 0.3 s; 1 processes were left, and are ended; it does not end, and may disturb what comes after it',
    });
  });

  test('an interrupt ends the run, and what was measured by then is kept', async () => {
    const stop = new AbortController();
    const parts = {
      first: (): Row[] => [SLOWER],
      second: (): Row[] => {
        stop.abort(new Error('interrupted'));
        return [BROKEN];
      },
      third: (): Row[] => [LOST],
    };
    expect((await play(parts, STEADY, stop.signal)).map(({ name }) => name)).toEqual(['first']);
  });

  test('an interrupt ends a part that never hears of it', async () => {
    const stop = new AbortController();
    const deaf = (): Promise<Row[]> => {
      stop.abort(new Error('interrupted'));
      return new Promise(() => undefined);
    };
    expect(await play({ deaf }, STEADY, stop.signal)).toEqual([]);
  });

  test('the table has the peer, the ratio, the spread and what is missing', async () => {
    const rows = (await play({ part: () => [SLOWER, MISSING] })).flatMap((part) => part.rows);
    expect(renderTable(rows).map((line) => line.replaceAll(/ {2,}/g, ' | '))).toEqual([
      'what | lastcall | peer | limit | ratio | quartiles | verdict',
      `seconds <of> a "roll" | 31 s | 30 s the reference's & no other | 1.1x | 1.03x | 30 .. 33 | pass`,
      'rolled by ansible | missing: no ansible on PATH: apt-get install ansible',
    ]);
  });
});

describe('the page', () => {
  test('is well-formed, needs nothing from elsewhere, and shows names as they are', async () => {
    const page = renderPage(await reportOf({ part: () => [SLOWER, BROKEN, MISSING] }));
    expect(faultOfXml(page)).toBeNull();
    expect(elsewhere(page)).toEqual([]);
    expect(page).toContain('seconds &lt;of&gt; a &quot;roll&quot;');
    expect(page).toContain('the reference&#39;s &amp; no other');
    expect(page).toContain('no ansible on PATH: apt-get install ansible');
    expect(page).toContain('npm run bench -- --only part');
  });

  test('of a noisy run says so', async () => {
    expect(renderPage(await reportOf({ part: () => [SLOWER] }, NOISY))).toContain('Too noisy to judge');
    expect(renderPage(await reportOf({ part: () => [SLOWER] }))).toContain('The machine was steady');
  });

  test('of an interrupted run names what was not measured', async () => {
    const report = { ...(await reportOf({})), unmeasured: ['poll', 'eta'] };
    expect(renderPage(report)).toMatch(/nothing was measured[^]*Interrupted: poll, eta not measured/);
  });

  test.each(['<p>a<br/></div>', '<p a=b>x</p>', '<p>a & b</p>', '<p>', '<p a="<"/>'])(
    '%s would not be well-formed',
    (bad) => expect(faultOfXml(bad)).not.toBeNull(),
  );
});

function play(
  parts: Record<string, () => Row[] | Promise<Row[]>>,
  noise = STEADY,
  signal = new AbortController().signal,
): Promise<PlayedPart[]> {
  return playParts({
    ...OPTIONS,
    parts: Object.fromEntries(
      Object.entries(parts).map(([name, one]) => [name, { play: one, limitMs: () => 60_000 }]),
    ),
    signal,
    steadiness: () => Promise.resolve(noise),
  });
}

async function reportOf(parts: Record<string, () => Row[]>, noise = STEADY): Promise<BenchReport> {
  const machine = describeMachine(new Date(0));
  return { machine, loadBefore: 0.5, loadAfter: 1, runs: 1, parts: await play(parts, noise), unmeasured: [] };
}

test('A peer whose program ends with 0 and does not show what is needed is missing', () => {
  const need = {
    name: 'the module',
    look: ['echo', '{}'],
    shows: 'general.haproxy',
    install: 'install it',
  } as const;
  expect(missingOf([need])).toBe('the module is not here: install it');
  expect(missingOf([{ ...need, shows: '{}' }])).toBeNull();
});
