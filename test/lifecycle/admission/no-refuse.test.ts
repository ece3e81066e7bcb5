import { describe, expect, test } from '@jest/globals';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import { readRecord } from '../../../agent/lifecycle/recovery/read-record.ts';
import { recordOf } from '../../../agent/lifecycle/model/write-record.ts';
import { scene } from '../../support/world/scene.ts';
import type { SimSite } from '../../support/world/site.ts';

/** A preStop hook and `systemctl stop` end the application whatever the answer is (INVARIANTS.md#other-promises). */

const SECOND = 1_000;
const NO_REFUSE = { noRefuse: true } as const;

interface Case {
  readonly name: string;
  readonly code: string;
  readonly kinds: readonly ('drain' | 'stop')[];
  readonly policy?: Partial<Policy>;
  readonly before: (site: SimSite) => void;
}

const first =
  (changes: object) =>
  ({ balancers }: SimSite): void => {
    Object.assign(balancers[0] ?? {}, changes);
  };
const tracker = { name: 'ws/app1', of: 'app/app1', by: 'track', role: 'active', usable: true } as const;
const CASES: readonly Case[] = [
  { name: 'too few others', code: 'guard', kinds: ['drain', 'stop'], before: first({ others: 0 }) },
  {
    name: 'sticky users whom no source counts',
    code: 'uncounted',
    kinds: ['stop'],
    policy: { sources: [] },
    before: first({ sticky: 'cookie' }),
  },
  {
    name: 'a hash alone',
    code: 'unkeepable',
    kinds: ['drain', 'stop'],
    before: first({ hashed: 'balance source' }),
  },
  {
    name: 'a server that is not listed',
    code: 'unlisted',
    kinds: ['drain', 'stop'],
    before: first({ relatives: [tracker] }),
  },
];
const each = CASES.flatMap((one) => one.kinds.map((kind) => ({ ...one, kind })));

describe('A request that cannot be refused', () => {
  test.each(each)('is only warned of $name ($code): $kind', ({ code, kind, policy, before }) => {
    const refused = scene(policy, before);
    expect(refused.ended(refused.ask(kind))).toMatchObject({ ok: false, code, phase: 'serving' });
    const it = scene(policy, before);
    const result = it.ended(it.ask(kind, NO_REFUSE));
    expect(result).toMatchObject({ code: 'done', phase: kind === 'drain' ? 'drained' : 'stopped' });
    expect(result.warnings.join()).toContain('cannot be refused and goes on');
  });

  test('waits for a balancer that cannot be asked, while the others are drained', () => {
    const balancers = ['lb1', 'lb2'].map((name) => ({
      name,
      servers: ['app/app1'],
      counts: true,
      seesOldWorkers: true,
    }));
    const away = ({ balancers: [, second] }: SimSite): void => second?.setMode('refuses');
    const refused = scene({ balancers }, away);
    expect(refused.ended(refused.ask('drain')).code).toBe('balancer-unreachable');
    const it = scene({ balancers }, away);
    const id = it.ask('drain', NO_REFUSE);
    it.reach('draining');
    it.until('lb1 has it in DRAIN', () => it.admin() === 'drain');
    it.site.balancers[1]?.setMode('answers');
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'done', phase: 'drained' });
    expect(result.warnings.join()).toContain('the operation waits for it');
  });

  test('counts behind a DRAIN from outside, which refuses it at its own deadline only', () => {
    const held = ({ balancers }: SimSite): void => balancers[0]?.set('app/app1', 'drain', 'operator');
    const refused = scene({}, held);
    expect(refused.ended(refused.ask('drain')).code).toBe('held');
    const it = scene({}, held);
    it.site.visit();
    const id = it.ask('drain', { ...NO_REFUSE, timeoutMs: 20 * SECOND });
    it.reach('draining');
    it.time.advance(10 * SECOND);
    expect(it.result(id)).toBeUndefined();
    expect(it.ended(id)).toMatchObject({ code: 'held' });
    expect(it.admin()).toBe('drain');
  });

  test('runs to its own deadline, and what was found is put back then', () => {
    const it = scene({}, first({ others: 0 }));
    it.site.visit();
    const result = it.ended(it.ask('drain', { ...NO_REFUSE, timeoutMs: 20 * SECOND }));
    expect(result).toMatchObject({ code: 'deadline', phase: 'serving' });
    expect(result.seconds).toBeGreaterThanOrEqual(20);
  });

  test.each([
    ['while its users are waited for', 'draining'],
    ['with its fence up', 'fencing'],
  ] as const)('is not given up either when others become too few %s', (_when, phase) => {
    const it = scene();
    if (phase === 'draining') it.site.visit();
    const id = it.ask('drain', NO_REFUSE);
    it.reach(phase);
    Object.assign(it.lb, { others: 0 });
    it.time.advance(5 * SECOND);
    expect(it.admin()).not.toBe('ready');
    if (phase === 'draining') it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
  });

  test('is not given up for users who are bound by now', () => {
    const it = scene({ sources: [] });
    it.site.visit();
    const id = it.ask('stop', NO_REFUSE);
    it.reach('draining');
    it.lb.sticky = 'stick table app';
    it.site.leave();
    const result = it.ended(id);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.warnings.join()).toContain('sticky here by now');
  });

  test('makes that hold for an operation that it joins, for itself and for a kill -9', () => {
    const it = scene();
    it.site.visit();
    const running = it.ask('drain');
    it.reach('draining');
    it.time.advance(500);
    const id = it.ask('drain', NO_REFUSE);
    it.until('it is on disk', () => it.sidecar.replies.some((reply) => reply.id === id));
    it.crash();
    it.reach('draining');
    Object.assign(it.lb, { others: 0 });
    it.time.advance(5 * SECOND);
    expect(it.admin()).toBe('drain');
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', joined: [{ id, terms: { noRefuse: true } }] });
    expect(it.result(running)).toMatchObject({ code: 'done', phase: 'drained' });
  });

  test('has its own deadline in an operation that it joins, as a preStop hook has, and not that of the other caller', () => {
    const it = scene({ timeoutMs: 60 * SECOND });
    it.site.visit();
    const running = it.ask('drain', { timeoutMs: 20 * SECOND });
    it.time.advance(15 * SECOND);
    const since = it.time.now;
    const id = it.ask('drain', NO_REFUSE);
    expect(it.ended(id)).toMatchObject({ code: 'deadline', joined: [{ id, terms: { timeout: 60 } }] });
    expect(it.time.now - since).toBeGreaterThan(59 * SECOND);
    expect(it.result(running)).toMatchObject({ code: 'deadline' });
  });

  test('is one with the crash of its sidecar: the record says it', () => {
    const it = scene({}, first({ others: 0 }));
    it.site.visit();
    const id = it.ask('drain', NO_REFUSE);
    it.reach('draining');
    const record = recordOf(it.sidecar.state, it.time.now);
    expect(readRecord(JSON.parse(JSON.stringify(record))).doubt).toBeNull();
    it.crash();
    it.time.advance(5 * SECOND);
    expect(it.admin()).toBe('drain');
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
  });

  test('is not busy: a return is given up for it, for users may be there already', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    const ready = it.ask('ready');
    it.reach('returning');
    const id = it.ask('drain', NO_REFUSE);
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
    expect(it.result(ready)).toMatchObject({ code: 'cancelled' });
  });

  test('stays refused by an operator’s hold, which outranks every operation', () => {
    const it = scene();
    it.ended(it.ask('hold', { reason: 'mine' }));
    expect(it.ended(it.ask('drain', NO_REFUSE))).toMatchObject({ code: 'held' });
  });

  test('is answered under a hold in MAINT once no user is counted there, and the hold is kept', () => {
    const it = scene();
    it.ended(it.ask('hold', { reason: 'mine', holdIn: 'maint' }));
    // Sources are asked every ten seconds there.
    it.time.advance(12 * SECOND);
    const result = it.ended(it.ask('drain', NO_REFUSE));
    expect(result).toMatchObject({ code: 'done' });
    expect(result.warnings).toEqual([
      'held in MAINT by test, and no user is counted: answered as drained, and the hold is kept',
    ]);
    expect([it.admin(), it.sidecar.state.hold?.admin]).toEqual(['maint', 'maint']);
    for (const other of [{ ...NO_REFUSE, dryRun: true }, {}])
      expect(it.ended(it.ask('drain', other)).code).toBe('held');
    expect(it.ended(it.ask('stop', NO_REFUSE)).code).toBe('held');
  });

  test('stays refused under a hold in MAINT where a user is counted, or none can be counted', () => {
    const it = scene();
    it.site.visit();
    it.ended(it.ask('hold', { reason: 'mine', holdIn: 'maint' }));
    it.time.advance(12 * SECOND);
    expect(it.ended(it.ask('drain', NO_REFUSE)).code).toBe('held');
    const away = scene();
    away.ended(away.ask('hold', { reason: 'mine', holdIn: 'maint' }));
    away.lb.setMode('refuses');
    away.time.advance(12 * SECOND);
    expect(away.ended(away.ask('drain', NO_REFUSE)).code).toBe('held');
  });

  test('lets no expiry that counts from the drain before bring users to an application that is ended', () => {
    const expiresMs = 60 * SECOND;
    const it = scene();
    it.ended(it.ask('drain', { expiresMs }));
    it.time.advance(59.5 * SECOND);
    expect(it.ended(it.ask('drain', NO_REFUSE))).toMatchObject({ code: 'done', phase: 'drained' });
    it.time.advance(500);
    it.crash();
    it.time.advance(55 * SECOND);
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['drained', 'maint']);
    it.time.advance(20 * SECOND);
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['serving', 'ready']);
  });

  test('withdraws a return that is due while it waits for the end of a recovery', () => {
    const it = scene();
    it.ended(it.ask('drain', { expiresMs: 60 * SECOND }));
    it.crash({}, () => {
      it.lb.setMode('silent');
      it.time.advance(60 * SECOND);
    });
    const id = it.ask('drain', NO_REFUSE);
    expect(it.sidecar.state.phase).toBe('recovering');
    it.time.advance(500);
    it.lb.setMode('answers');
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'drained' });
    it.time.advance(30 * SECOND);
    expect([it.sidecar.state.phase, it.admin()]).toEqual(['drained', 'maint']);
  });

  test('changes nothing where it only asks', () => {
    const it = scene({}, first({ others: 0 }));
    const result = it.ended(it.ask('drain', { ...NO_REFUSE, dryRun: true }));
    expect(result.warnings.join()).toContain('cannot be refused');
    expect(it.effects.some(({ type }) => type === 'set-server')).toBe(false);
  });
});

describe('A stop that comes while an operator takes the node out of a MAINT from outside', () => {
  test('leaves a server open on which READY has just been set: MAINT would cut the users who came in', () => {
    const it = scene();
    it.lb.set('app/app1', 'maint', 'operator');
    it.time.advance(3_000);
    it.ask('ready', { force: true, reason: 'back' });
    it.until('READY is set there', () => it.admin() === 'ready');
    it.site.visit();
    const id = it.ask('stop', { isShutdown: true });
    it.time.advance(10_000);
    expect(it.site.thrownOut).toEqual([]);
    expect(it.admin()).toBe('drain');
    it.site.leave();
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
  });
});
