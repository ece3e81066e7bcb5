import { expect, test } from '@jest/globals';
import { scene } from '../../support/world/scene.ts';

/** What a survey has seen, and lastcall itself has changed since. */

/** Milliseconds after a slow HAProxy answers again: the request comes before, with and after the READY of the way back. */
const DELAYS = Array.from({ length: 40 }, (_, step) => 1_000 + step * 20);

test('A DRAIN of lastcall’s own that a survey saw just before its READY refuses no request as held', () => {
  const codes = DELAYS.map((delay) => {
    const it = scene();
    expect(it.ended(it.ask('drain', { fence: false })).code).toBe('done');
    it.lb.setMode('refuses');
    expect(it.ended(it.ask('ready', { timeoutMs: 2_000 })).code).toBe('balancer-unreachable');
    it.lb.setMode('slow');
    it.time.advance(delay);
    return it.ended(it.ask('drain', { fence: false })).code;
  });
  expect(codes.filter((code) => code !== 'done')).toEqual([]);
});
