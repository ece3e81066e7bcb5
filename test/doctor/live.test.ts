import { describe, expect, test } from '@jest/globals';
import { judgeNewUser, judgeOldUser, summedUp } from '../../agent/doctor/live.ts';

const OWN = [
  { name: 'SRV', value: 'a' },
  { name: 'JSESSIONID', value: 'a' },
];
const SENT = { name: 'SRV', value: 'a' };
const answer = (status: number, ...setCookies: string[]) => ({ status, setCookies });

describe('A new user in DRAIN', () => {
  test.each([
    ['was led to another node', answer(200, 'X=1', 'SRV=b; path=/'), 'proven'],
    ['by a cookie that the application has too', answer(302, 'JSESSIONID=b~77F1; Path=/'), 'proven'],
    ['by a cookie with a date', answer(200, 'SRV=b|Xyz; path=/'), 'proven'],
    ['came to this node', answer(200, 'SRV=a; path=/'), 'refuted'],
    ['came to it by a cookie with a date', answer(200, 'SRV=a|Xyz'), 'refuted'],
    ['met an error', answer(503, 'SRV=b'), 'refuted'],
    ['was given no cookie of HAProxy', answer(200, 'SRVX=b'), 'unproven'],
  ])('%s', (_what, one, result) => {
    expect(judgeNewUser(one, OWN).result).toBe(result);
  });
});

describe('An old user in DRAIN', () => {
  test.each([
    ['stayed', answer(200), 'proven'],
    ['stayed, and the cookie was set anew', answer(200, 'SRV=a'), 'proven'],
    ['was moved', answer(200, 'SRV=b'), 'refuted'],
    ['met an error', answer(502), 'refuted'],
  ])('%s', (_what, one, result) => {
    expect(judgeOldUser(one, OWN, SENT).result).toBe(result);
  });
});

test('The worst of all proofs is the result', () => {
  const one = (result: 'proven' | 'refuted' | 'unproven') => ({ result, seen: [result] });
  expect(summedUp([one('proven'), one('unproven'), one('refuted')])).toEqual({
    result: 'refuted',
    seen: ['proven', 'unproven', 'refuted'],
  });
  expect(summedUp([one('proven'), one('unproven')]).result).toBe('unproven');
});
