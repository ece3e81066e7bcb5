import { describe, expect, test } from '@jest/globals';
import { judgeNewUser, judgeOldUser, summedUp } from '../../agent/doctor/live.ts';

const OWN = [
  { name: 'SRV', value: 'a' },
  { name: 'JSESSIONID', value: 'a' },
];
const SENT = { name: 'SRV', value: 'a' };
const answer = (status: number, ...setCookies: string[]) => ({
  status,
  setCookies,
  reachedNode: true,
  reachedBackend: true,
});

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

describe('The cookie of another backend, which has the same name and values,', () => {
  test.each([
    ['leads a new user to a word of ours', false, 'SRV=a'],
    ['leads a new user to a word of ours, and our backend serves others', true, 'SRV=a'],
    ['leads a new user to another word', false, 'SRV=b'],
  ])('claims nothing where it %s', (_what, reachedBackend, cookie) => {
    const proof = judgeNewUser({ ...answer(200, cookie), reachedNode: false, reachedBackend }, OWN);
    expect(proof).toMatchObject({ result: 'unproven' });
    expect(proof.seen.join()).toContain('the URL may lead elsewhere');
  });

  test.each([
    ['is kept', false, []],
    ['is kept, and our backend serves others', true, []],
    ['is replaced', false, ['SRV=b']],
  ])('claims nothing of an old user where it %s', (_what, reachedBackend, cookies) => {
    const proof = judgeOldUser({ ...answer(200, ...cookies), reachedNode: false, reachedBackend }, OWN, SENT);
    expect(proof.result).toBe('unproven');
  });
});

describe('A session that the application makes by the trial', () => {
  const session = (name: string): string =>
    `the application made a session by it (${name}); it counts until it expires`;

  test.each([
    ['by a cookie of its own', answer(200, 'SRV=a', 'PHPSESSID=1; path=/'), ['PHPSESSID']],
    ['by the cookie before which HAProxy puts its word', answer(200, 'JSESSIONID=a~1'), ['JSESSIONID']],
    ['not', answer(200, 'SRV=a|Xyz'), []],
  ])('is reported: %s', (_what, one, names) => {
    const { result, seen } = judgeOldUser(one, OWN, SENT);
    expect(result).toBe('proven');
    expect(seen.slice(1)).toEqual(names.map(session));
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
