import { describe, expect, test } from '@jest/globals';
import { isFigure, passes, type Row } from '../figures.ts';
import { missingOf, PEERS, REFERENCE } from '../peers/peers.ts';
import { peerWay, playRound, type RoundResult } from './round.ts';
import { rowsOf } from './rolling.ts';

const CROWD = { name: 'dense users', population: 9, thinkMs: 100, visitMs: 400, seed: 1 };
const round = (part: Partial<RoundResult>): RoundResult => ({
  failed: 0,
  lost: 0,
  seconds: 80,
  failures: [],
  ...part,
});
const candidates = [...PEERS, REFERENCE].map((peer) => ({
  peer,
  missing: peer.name === 'Ansible' ? 'Ansible is not here: apt-get install ansible' : null,
}));
const rowsWith = (ours: readonly RoundResult[]): Row[] =>
  rowsOf(
    CROWD.name,
    candidates,
    new Map([...PEERS, REFERENCE].map(({ name }) => [name, [round({})]])).set('lastcall', [...ours]),
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

  test('name a peer that is not here, with what brings it', () => {
    expect(rowsWith([round({})])).toContainEqual({
      name: 'rolling restart, dense users: lost sessions, beside Ansible',
      missing: 'Ansible is not here: apt-get install ansible',
    });
  });
});

describe('A peer', () => {
  test('that is not on PATH is missing', () => {
    for (const { needs } of [...PEERS, REFERENCE])
      expect(missingOf(needs, '/nonexistent')).toMatch(/ is not here: apt-get install /);
    expect(missingOf(REFERENCE.needs)).toBeNull();
  });

  test('that counts users restarts three nodes and loses none of them', async () => {
    const site = { idleMs: 2000, checkInter: '300ms' };
    const result = await playRound(peerWay(REFERENCE), CROWD, new AbortController().signal, site);
    expect(result).toMatchObject({ failed: 0, lost: 0 });
  });
});
