import { describe, expect, test } from '@jest/globals';
import type { OperationKind, Request } from '../../../agent/lifecycle/model/api.ts';
import { type Scene, scene } from '../../support/world/scene.ts';

/** A source that cannot be read before an operation begins (INVARIANTS.md#other-promises). */

const broken = (changes: Parameters<typeof scene>[0] = {}): Scene => {
  const it = scene(changes);
  it.site.failing.add('http');
  return it;
};
const said = ({ effects }: Scene): boolean => effects.some(({ type }) => type === 'set-server');
const asked = (it: Scene, kind: OperationKind, terms: Partial<Request> = {}) => it.ended(it.ask(kind, terms));

describe('A source that cannot be read', () => {
  test.each(['stop', 'restart'] as const)('refuses a %s within five seconds, before any DRAIN', (kind) => {
    const it = broken();
    const result = asked(it, kind);
    expect(result).toMatchObject({ ok: false, code: 'uncounted', phase: 'serving' });
    expect(result.message).toContain('http: no answer: the number of users is unknown');
    expect(result.message).toContain('--force --reason');
    expect(result.seconds).toBeLessThanOrEqual(5.2);
    expect(said(it)).toBe(false);
    expect(it.effects.filter(({ type }) => type === 'count')).toHaveLength(3);
  });

  test('warns a drain, which waits for it', () => {
    const it = broken();
    const id = it.ask('drain', { timeoutMs: 60_000 });
    it.reach('draining');
    it.time.advance(5_000);
    it.site.failing.clear();
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'done', phase: 'drained' });
    expect(result.warnings.join()).toContain('http: no answer');
  });

  test('refuses nothing where the application is down by its probe: a hung one is why it is restarted', () => {
    const it = broken();
    it.sidecar.probed('down');
    const result = asked(it, 'stop', { timeoutMs: 60_000, onTimeout: 'force' });
    expect(result.phase).toBe('stopped');
    expect(result.warnings.join()).toContain('http: no answer');
  });

  test('refuses where HAProxy alone finds it healthy', () => {
    const it = scene({ hasProbe: false });
    it.site.failing.add('http');
    expect(asked(it, 'stop')).toMatchObject({ code: 'uncounted', phase: 'serving' });
  });

  test('that answers at the third try refuses nothing', () => {
    const it = broken();
    const id = it.ask('stop');
    it.time.advance(2_500);
    expect(it.result(id)).toBeUndefined();
    it.site.failing.clear();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test.each([
    ['--force', { force: true, reason: 'we know' }],
    ['--no-refuse', { noRefuse: true }],
    ['a shutdown', { isShutdown: true }],
  ] as const)('refuses no %s, and is a warning in its result', (_who, terms) => {
    const it = broken();
    it.time.advance(11_000);
    const began = it.time.now;
    const id = it.ask('stop', { ...terms, timeoutMs: 30_000, onTimeout: 'force' });
    it.reach('draining');
    expect(it.time.now - began).toBeLessThan(1_000);
    const result = it.ended(id);
    expect(result.phase).toBe('stopped');
    expect(result.warnings.join()).toContain('http: no answer');
  });

  test('is asked by a dry run, which tells what every source counts today', () => {
    const it = scene();
    it.site.visit();
    expect(asked(it, 'drain', { dryRun: true }).plan?.join()).toMatch(
      /connections \(now \d\), http \(now 1\)/,
    );
    it.site.failing.add('http');
    const refused = asked(it, 'stop', { dryRun: true });
    expect(refused).toMatchObject({ code: 'uncounted' });
    const warned = asked(it, 'drain', { dryRun: true });
    expect(warned.plan?.join()).toContain('http (now unknown: no answer)');
    expect(said(it)).toBe(false);
  });

  test('is not asked again for a stop of a node that is drained', () => {
    const it = scene();
    asked(it, 'drain');
    it.site.failing.add('http');
    const id = it.ask('stop', { timeoutMs: 10_000 });
    expect(it.ended(id).code).not.toBe('uncounted');
  });
});
