import { describe, expect, test } from '@jest/globals';
import type { FullRateReport } from '../../fixtures/full-rate-users.ts';
import { isFigure, passes, type Row } from '../figures.ts';
import { missingOf, PEERS, REFERENCE, SIGTERM } from '../peers/peers.ts';
import { peerWay, playRound, type RoundResult } from './round.ts';
import { fullRateRow } from './full-rate.ts';
import { rowsOf } from './rolling.ts';
import { verdictOn } from '../verdict.ts';

const CROWD = { name: 'dense users', population: 9, thinkMs: 100, visitMs: 400, seed: 1 };
const round = (part: Partial<RoundResult>): RoundResult => ({
  failed: 0,
  lost: 0,
  requests: 400,
  longestPauseMs: 3_000,
  seconds: 80,
  failures: [],
  ...part,
});
const candidates = [...PEERS, REFERENCE].map((peer) => ({
  peer,
  missing: peer.name === 'Ansible' ? 'Ansible is not here: apt-get install ansible' : null,
}));
const rowsWith = (ours: readonly RoundResult[], plain = round({ lost: 30 })): Row[] =>
  rowsOf(
    CROWD.name,
    candidates,
    new Map([...PEERS, REFERENCE].map(({ name }) => [name, [round({})]]))
      .set(SIGTERM.name, [plain])
      .set('lastcall', [...ours]),
  );
const failing = (rows: readonly Row[]): string[] =>
  rows.filter((row) => isFigure(row) && !passes(row)).map(({ name }) => name);

describe('the rows of a rolling restart', () => {
  test('pass with nothing failed, nothing lost, and a tenth more time than the reference', () => {
    const rows = rowsWith([round({ seconds: 88 })]);
    expect(failing(rows)).toEqual([]);
    expect(rows).toHaveLength(2 + candidates.length);
  });

  test('fail for one request, one session and too much time, in whichever round', () => {
    expect(failing(rowsWith([round({}), round({ failed: 1 })]))).toEqual([
      'rolling restart, dense users: failed requests',
    ]);
    expect(failing(rowsWith([round({ lost: 1 }), round({})]))).toHaveLength(candidates.length - 1);
    expect(failing(rowsWith([round({ seconds: 89 })]))).toEqual(['rolling restart, dense users: seconds']);
  });

  test('are none where nothing was measured, or where a plain restart loses nothing either', () => {
    expect(() => rowsWith([])).toThrow('nothing was measured');
    expect(() => rowsWith([round({})], round({}))).toThrow('SIGTERM and start lost no session');
  });

  test('blame the machine for a loss where a session may have expired unused', () => {
    const verdicts = (rounds: readonly RoundResult[]): Set<string> =>
      new Set(
        rowsWith(rounds)
          .filter(({ name }) => /lost sessions/.test(name))
          .map((row) => verdictOn(row, 1)),
      );
    expect(verdicts([round({ lost: 1 })])).toEqual(new Set(['FAIL', 'missing']));
    expect(verdicts([round({ lost: 1, longestPauseMs: 20_500 })])).toEqual(new Set(['noisy', 'missing']));
    expect(verdicts([round({ longestPauseMs: 20_500 })])).toEqual(new Set(['pass', 'missing']));
  });

  test('have the failed requests of each peer that is here beside ours, which decide nothing', () => {
    const [failed] = rowsWith([round({})], round({ lost: 30, failed: 7 }));
    const others = failed !== undefined && isFigure(failed) ? failed.others : [];
    expect(others).toHaveLength(PEERS.length + 1);
    expect(others).toContainEqual({ name: SIGTERM.name, value: 7, samples: [7] });
  });

  test('name a peer that is not here, with what brings it', () => {
    expect(rowsWith([round({})])).toContainEqual({
      name: 'rolling restart, dense users: lost sessions, beside Ansible',
      missing: 'Ansible is not here: apt-get install ansible',
    });
  });
});

describe('the row at full rate', () => {
  const report = (failed: number): FullRateReport => ({ requests: 1000, failed, seconds: 1, failures: [] });

  test('passes with nothing failed, whatever the peer did, and fails for one request in one deploy', () => {
    expect(failing([fullRateRow('deploy', [report(5)], [report(0)])])).toEqual([]);
    expect(failing([fullRateRow('deploy', [report(5)], [report(0), report(1)])])).toEqual(['deploy']);
  });

  test('is none where there was no load, or where a plain restart fails no request either', () => {
    const idle = { ...report(0), requests: 0 };
    expect(() => fullRateRow('deploy', [report(5)], [idle])).toThrow('only 0 requests in 1 s');
    expect(() => fullRateRow('deploy', [report(0)], [report(0)])).toThrow('failed no request');
  });
});

describe('A peer', () => {
  test('that is not on PATH is missing', () => {
    for (const { needs } of [...PEERS, REFERENCE])
      expect(missingOf(needs, '/nonexistent')).toMatch(/ is not here: apt-get install /);
    expect(missingOf(REFERENCE.needs)).toBeNull();
  });

  test('that looks well, but does not show what is needed, is missing', () => {
    const look = [process.execPath, '-p', '({ here: true })'] as const;
    const need = { name: 'a module', look, install: 'apt-get install it' };
    expect(missingOf([{ ...need, shows: 'here' }])).toBeNull();
    expect(missingOf([{ ...need, shows: 'community.general' }])).toBe(
      'a module is not here: apt-get install it',
    );
  });

  test('that counts users restarts three nodes and loses none of them', async () => {
    const site = { idleMs: 2000, checkInter: '300ms' };
    const result = await playRound(peerWay(REFERENCE), CROWD, new AbortController().signal, site);
    expect(result).toMatchObject({ failed: 0, lost: 0 });
  });
});
