import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ProbeAnswer } from '../../agent/probes/probe.ts';
import { judge, UNKNOWN, type Verdict } from '../../agent/probes/verdict.ts';

const ANSWERS: Record<string, ProbeAnswer> = {
  h: { kind: 'healthy' },
  s: { kind: 'signed-out' },
  u: { kind: 'unhealthy', reason: 'status 500' },
};
/** The verdict after a row of answers, a letter each; each was begun at its place in the row. */
const after = (row: string, policy = { rise: 2, fall: 3 }): Verdict =>
  row
    .split('')
    .reduce((verdict, letter, at) => judge(verdict, ANSWERS[letter] as ProbeAnswer, at, policy), UNKNOWN);

describe('the verdict', () => {
  test.each([
    ['', 'unknown'],
    ['h', 'unknown'],
    ['hh', 'up'],
    ['uu', 'unknown'],
    ['uuu', 'down'],
    ['hhuu', 'up'],
    ['hhuuu', 'down'],
    ['hhuuuh', 'down'],
    ['hhuuuhh', 'up'],
    ['hhuuhuuhuu', 'up'],
    ['uuuhuhuh', 'down'],
    ['huhuhuhuhu', 'unknown'],
    ['ss', 'up'],
    ['hs', 'up'],
  ] as const)('after %j is %s', (row, health) => {
    expect(after(row).health).toBe(health);
  });

  test.each([
    ['s', false],
    ['sss', true],
    ['ssh', false],
    ['sshs', false],
    ['ssuss', false],
    ['sssh', true],
    ['ssshs', true],
    ['ssshh', false],
    ['sssuu', true],
    ['sssuuu', false],
    ['sssuuus', false],
    ['sssuhuh', true],
  ])('after %j holds the application for signed out: %s', (row, signedOut) => {
    expect(after(row).signedOut).toBe(signedOut);
  });

  test.each([
    ['', -1],
    ['h', -1],
    ['hh', 0],
    ['uhh', 1],
    ['ush', 1],
    ['huhh', 2],
    ['hhhhh', 0],
    ['hhuhh', 0],
    ['hhuuu', 2],
    ['uuu', 0],
    ['uuuuhh', 4],
    ['uuuhuhh', 5],
  ])('after %j rests on probes of which the first was begun at %s', (row, startedAt) => {
    expect(after(row).startedAt).toBe(startedAt);
  });

  test('carries the reason of the latest answer, and none once it was good', () => {
    expect(after('hhu').reason).toBe('status 500');
    expect(after('hhuh').reason).toBeNull();
  });

  const rows = fc.array(fc.constantFrom('h', 's', 'u'), { maxLength: 60 }).map((letters) => letters.join(''));
  const policies = fc.record({ rise: fc.integer({ min: 1, max: 5 }), fall: fc.integer({ min: 1, max: 5 }) });

  test('changes only after rise living or fall bad answers in a row', () => {
    fc.assert(
      fc.property(rows, policies, (row, policy) => {
        const before = after(row.slice(0, -1), policy);
        const now = after(row, policy);
        if (now.health === before.health) return;
        const proof = now.health === 'up' ? `[hs]{${policy.rise}}$` : `u{${policy.fall}}$`;
        expect(row).toMatch(new RegExp(proof));
      }),
    );
  });

  test('never holds an application for signed out that did not say so fall times in a row', () => {
    fc.assert(
      fc.property(rows, policies, (row, policy) => {
        const { signedOut } = after(row, policy);
        const said = row.lastIndexOf('s'.repeat(policy.fall));
        if (said === -1) expect(signedOut).toBe(false);
        else if (new RegExp(`h{${policy.rise}}|u{${policy.fall}}`).test(row.slice(said))) {
          expect(signedOut).toBe(false);
        } else expect(signedOut).toBe(true);
      }),
    );
  });
});
