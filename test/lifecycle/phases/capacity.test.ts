import { describe, expect, test } from '@jest/globals';
import { step } from '../../../agent/lifecycle/step.ts';
import { ENOUGH_FOR_MS, LOWER_WAITS_MS } from '../../../agent/lifecycle/phases/capacity.ts';
import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { Relative, Sibling } from '../../../agent/lifecycle/model/survey.ts';
import { scene, type Scene } from '../../support/world/scene.ts';

/** The capacity guard on the way out, sentence by sentence (INVARIANTS.md#other-promises). */

const sibling = (name: string, changes: Partial<Sibling> = {}): Sibling => ({
  name: `app/${name}`,
  role: 'active',
  admin: 'ready',
  forced: 'ready',
  usable: true,
  couldServe: false,
  by: null,
  ...changes,
});
const inDrain = (name: string): Sibling =>
  sibling(name, { admin: 'drain', forced: 'drain', usable: false, couldServe: true });
const inMaint = (name: string): Sibling => sibling(name, { admin: 'maint', forced: 'maint', usable: false });
const down = (name: string): Sibling => sibling(name, { usable: false });

/** What stands beside ours from now on. */
function stand(it: Scene, ...siblings: readonly Sibling[]): void {
  Object.assign(it.lb, { siblings, others: siblings.filter(({ usable }) => usable).length });
}

/** The moment in which our word reaches HAProxy, and what is so from then on. */
function onceSaid(it: Scene, admin: 'drain' | 'maint', ...siblings: readonly Sibling[]): void {
  onSet(it, admin, () => stand(it, ...siblings));
}

function onSet(it: Scene, admin: 'drain' | 'maint', then: () => void): void {
  const set = it.lb.set.bind(it.lb);
  let isOver = false;
  Object.assign(it.lb, {
    set(...word: Parameters<typeof set>): void {
      set(...word);
      if (word[1] !== admin || word[2] !== 'us' || isOver) return;
      isOver = true;
      then();
    },
  });
}

/** The states written, one for each change. */
const said = (it: Scene): string[] =>
  it.effects
    .flatMap((effect: Effect) => (effect.type === 'set-server' ? [effect.admin] : []))
    .filter((word, index, all) => word !== all[index - 1]);
const surveys = (it: Scene): number =>
  it.effects.filter((effect) => effect.type === 'survey' && effect.scope === 'capacity').length;

/** Waits in DRAIN for a user of ours. */
function waiting(changes: Parameters<typeof scene>[0] = {}): Scene & { readonly id: string } {
  const it = scene(changes);
  stand(it, sibling('app2'));
  it.site.visit();
  const id = it.ask('stop');
  it.reach('draining');
  it.time.advance(3_000);
  expect(it.admin()).toBe('drain');
  return { ...it, id };
}

describe('Once DRAIN is read back', () => {
  test('too few others end it with 75 guard, and what was found is put back', () => {
    const it = scene();
    onceSaid(it, 'drain', down('app2'));
    const result = it.ended(it.ask('drain'));
    expect(result).toMatchObject({ ok: false, code: 'guard', phase: 'serving' });
    expect(result.message).toMatch(
      /^lb1: app\/app1 leaves 0 other usable servers, and drain\.keep is 1, now that it is in DRAIN; what was found is restored; .*--force --reason$/,
    );
    expect(it.admin()).toBe('ready');
    expect(said(it)).toEqual(['drain', 'ready']);
    expect(result.seconds).toBeLessThan(1);
  });

  test('of two that said it at once the higher gives back at once', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app0'));
    const result = it.ended(it.ask('drain'));
    expect(result).toMatchObject({ code: 'guard', phase: 'serving' });
    expect(result.message).toContain('0 other usable servers (app/app0 is in DRAIN), and drain.keep is 1');
    expect(result.seconds).toBeLessThan(1);
  });

  test('the lower waits for the higher to give back, and is done', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app2'));
    const id = it.ask('stop');
    it.reach('draining');
    it.time.advance(LOWER_WAITS_MS - 500);
    expect(it.admin()).toBe('drain');
    stand(it, sibling('app2'));
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(said(it)).toEqual(['drain', 'maint']);
  });

  test('the lower waits two seconds and then gives back too', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app2'));
    const result = it.ended(it.ask('drain'));
    expect(result).toMatchObject({ code: 'guard', phase: 'serving' });
    expect(result.seconds).toBeGreaterThanOrEqual(LOWER_WAITS_MS / 1_000);
    expect(result.seconds).toBeLessThan(LOWER_WAITS_MS / 1_000 + 1);
  });

  test('a sibling in MAINT yields to no DRAIN: it gives back at once', () => {
    const it = scene();
    onceSaid(it, 'drain', inMaint('app2'));
    const result = it.ended(it.ask('drain'));
    expect(result).toMatchObject({ code: 'guard' });
    expect(result.seconds).toBeLessThan(1);
  });

  test('and at once when the higher one is fenced while the lower waits', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app2'));
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(700);
    stand(it, inMaint('app2'));
    expect(it.ended(id).seconds).toBeLessThan(1.5);
  });

  test('of three as many give back as have to, the highest of them', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app0'), inDrain('app2'));
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(1_000);
    expect(it.admin()).toBe('drain');
    stand(it, inDrain('app0'), sibling('app2'));
    expect(it.ended(id)).toMatchObject({ code: 'done' });
  });

  test('siblings that cannot be asked for are not waited for', () => {
    const it = scene();
    onceSaid(it, 'drain', inDrain('app2'));
    it.lb.listsSiblings = false;
    const result = it.ended(it.ask('drain'));
    expect(result).toMatchObject({ code: 'guard' });
    expect(result.seconds).toBeLessThan(1);
  });

  test('an unknown number is waited for, and is no leave to go on', () => {
    const it = scene({ timeoutMs: 20_000 });
    onSet(it, 'drain', () => void Object.assign(it.lb, { others: null }));
    const id = it.ask('drain');
    it.time.advance(15_000);
    expect(said(it)).toEqual(['drain']);
    stand(it, sibling('app2'));
    expect(it.ended(id)).toMatchObject({ code: 'done' });
  });

  test('where enough are left no look is asked for', () => {
    const it = scene();
    it.ended(it.ask('stop'));
    expect(surveys(it)).toBe(0);
  });
});

describe('While users are waited for', () => {
  test('too few in one look change nothing', () => {
    const it = waiting();
    stand(it, down('app2'));
    let looks = 0;
    const look = it.lb.look.bind(it.lb);
    Object.assign(it.lb, {
      look: (scope: Parameters<typeof look>[0]) => {
        const seen = look(scope);
        if (scope === 'capacity' && (looks += 1) === 1) stand(it, sibling('app2'));
        return seen;
      },
    });
    it.time.advance(3_000);
    expect(looks).toBeGreaterThan(5);
    expect(said(it)).toEqual(['drain']);
  });

  test('too few in two looks: what was found is back within a second of the second one, and it goes on', () => {
    const it = waiting();
    stand(it, down('app2'));
    // Two looks of this phase are at most 250 ms and their answers apart.
    it.time.advance(1_500);
    expect(it.admin()).toBe('ready');
    expect(it.result(it.id)).toBeUndefined();
    expect(it.sidecar.state.phase).toBe('draining');
    expect(Object.values(it.sidecar.state.alarms).join()).toContain(
      'drain.keep is 1; what was found is put back',
    );
  });

  test('it says DRAIN again once enough are usable for five seconds, and is done', () => {
    const it = waiting();
    stand(it, down('app2'));
    it.time.advance(2_000);
    stand(it, sibling('app2'));
    it.time.advance(ENOUGH_FOR_MS - 1_000);
    expect(it.admin()).toBe('ready');
    it.time.advance(2_000);
    expect(it.admin()).toBe('drain');
    expect(it.sidecar.state.alarms['guard']).toBeUndefined();
    it.site.users.length = 0;
    const result = it.ended(it.id);
    expect(result).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(result.warnings.join()).toContain('put back for the time being');
    expect(said(it)).toEqual(['drain', 'ready', 'drain', 'maint']);
  });

  test('the five seconds begin anew with each look that shows too few', () => {
    const it = waiting();
    stand(it, down('app2'));
    it.time.advance(2_000);
    for (let times = 0; times < 4; times += 1) {
      stand(it, sibling('app2'));
      it.time.advance(ENOUGH_FOR_MS - 1_500);
      stand(it, down('app2'));
      it.time.advance(500);
    }
    expect(it.admin()).toBe('ready');
    expect(said(it)).toEqual(['drain', 'ready']);
  });

  test('DRAIN that is read back short again is put back again, and the operation still goes on', () => {
    const it = waiting();
    stand(it, down('app2'));
    it.time.advance(2_000);
    stand(it, sibling('app2'));
    onceSaid(it, 'drain', down('app2'));
    it.time.advance(ENOUGH_FOR_MS + 2_000);
    expect(said(it)).toEqual(['drain', 'ready', 'drain', 'ready']);
    expect(it.result(it.id)).toBeUndefined();
  });

  test.each(['restore', 'hold', 'force'] as const)(
    'at its deadline it ends with 75 guard under %s',
    (onTimeout) => {
      const it = waiting({ timeoutMs: 20_000, onTimeout });
      stand(it, down('app2'));
      const result = it.ended(it.id);
      expect(result).toMatchObject({ ok: false, code: 'guard', phase: 'serving', forced: 0 });
      expect(result.seconds).toBeGreaterThanOrEqual(20);
      expect(it.admin()).toBe('ready');
      expect(it.sidecar.state.alarms['guard']).toBeUndefined();
    },
  );

  test('it can be cancelled, and undone by ready', () => {
    for (const end of [
      (it: Scene) => it.sidecar.post({ type: 'cancel', by: 'test', id: 'stop1' }),
      (it: Scene) => void it.ask('ready'),
    ]) {
      const it = waiting();
      stand(it, down('app2'));
      it.time.advance(2_000);
      end(it);
      expect(it.ended(it.id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
      expect(it.sidecar.state.alarms['guard']).toBeUndefined();
    }
  });

  test('a crash in between leaves it in service', () => {
    const it = waiting();
    stand(it, down('app2'));
    it.time.advance(2_000);
    it.crash();
    it.time.advance(3_000);
    expect(it.sidecar.state.phase).toBe('draining');
    expect(said(it)).toEqual(['drain', 'ready']);
    stand(it, sibling('app2'));
    it.site.users.length = 0;
    expect(it.ended(it.id)).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('an unknown number pauses the fence, and puts nothing back', () => {
    const it = waiting();
    Object.assign(it.lb, { others: null });
    it.site.users.length = 0;
    it.time.advance(10_000);
    expect(said(it)).toEqual(['drain']);
    stand(it, sibling('app2'));
    expect(it.ended(it.id)).toMatchObject({ code: 'done' });
  });
});

describe('Before the fence and the stop', () => {
  test('too few others in the last moment: it is never fenced', () => {
    const it = waiting();
    stand(it, down('app2'));
    it.site.users.length = 0;
    it.time.advance(20_000);
    expect(said(it)).toEqual(['drain', 'ready']);
  });

  test('behind the fence it yields to none in DRAIN', () => {
    const it = scene();
    onceSaid(it, 'maint', inDrain('app0'));
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test.each([
    [1, 'fencing', 'maint'],
    [2, 'draining', 'drain'],
  ] as const)('while MAINT is refused or late, %i polls with too few others: %s', (polls, phase, level) => {
    const it = scene();
    it.ask('stop');
    it.reach('fencing');
    const { state } = it.sidecar;
    const { lb1 } = state.balancers;
    const { outing } = state;
    if (!lb1?.look || !outing) throw new Error('nothing was seen');
    const capacity = [{ name: 'app/app1', role: 'active', usableOthers: 0, usableBackups: 0 }] as const;
    const seen = { ...lb1, look: { ...lb1.look, capacity }, startedAt: state.epochStartedAt };
    const before = {
      ...state,
      saved: state.intentSave,
      balancers: { lb1: seen },
      outing: { ...outing, capacity: { ...outing.capacity, shortLooks: { lb1: polls } } },
    };
    const [after] = step(it.policy, before, { type: 'tick', at: it.time.now });
    expect(after).toMatchObject({ phase, outing: { level } });
  });

  test.each([
    ['dies', down('app2')],
    ['is fenced', inMaint('app2')],
  ])('where the last other one %s behind the fence, the application is not stopped', (_how, other) => {
    const it = scene();
    onceSaid(it, 'maint', other);
    const id = it.ask('stop');
    it.reach('fencing');
    it.time.advance(3_000);
    expect(it.site.app.alive).toBe(true);
    expect(it.admin()).toBe('ready');
    expect(said(it)).toEqual(['drain', 'maint', 'drain', 'ready']);
    stand(it, sibling('app2'));
    expect(it.result(id)).toBeUndefined();
  });

  test('a node that was drained before is not stopped either, and stays drained', () => {
    const it = scene();
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'done', phase: 'drained' });
    stand(it, down('app2'));
    it.time.advance(60_000);
    expect(it.admin()).toBe('maint');
    const result = it.ended(it.ask('stop'));
    expect(result).toMatchObject({ code: 'guard', phase: 'drained' });
    expect(result.message).toContain('the node stays drained');
    expect(it.site.app.alive).toBe(true);
    it.time.advance(10_000);
    expect(it.admin()).toBe('maint');
    expect(it.ended(it.ask('stop', { force: true, reason: 'last one out' }))).toMatchObject({ code: 'done' });
    expect(it.site.app.alive).toBe(false);
  });
});

describe('A node that was left in DRAIN', () => {
  test('is not fenced for a stop either, and stays as it was', () => {
    const it = scene();
    expect(it.ended(it.ask('drain', { fence: false }))).toMatchObject({ code: 'done', phase: 'drained' });
    stand(it, down('app2'));
    it.time.advance(60_000);
    const result = it.ended(it.ask('stop'));
    expect(result).toMatchObject({ code: 'guard', phase: 'drained' });
    it.time.advance(10_000);
    expect(said(it)).toEqual(['drain']);
    expect(it.sidecar.state.phase).toBe('drained');
    stand(it, sibling('app2'));
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done' });
  });
});

describe('More than one balancer', () => {
  const two = [
    { name: 'lb1', servers: ['app/app1'], counts: true, seesOldWorkers: true },
    { name: 'lb2', servers: ['app/app1'], counts: true, seesOldWorkers: true },
  ];
  const second = (it: Scene): Scene => ({ ...it, lb: it.site.balancer('lb2') });

  test('too few at one of them: what was found is put back at both', () => {
    const it = scene({ balancers: two });
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(3_000);
    stand(second(it), down('app2'));
    it.time.advance(1_500);
    expect(it.site.balancers.map((lb) => lb.server('app/app1').admin)).toEqual(['ready', 'ready']);
    expect(it.result(id)).toBeUndefined();
  });

  test('one that cannot be asked pauses the fence', () => {
    const it = scene({ balancers: two, timeoutMs: 60_000 });
    it.site.visit();
    const id = it.ask('drain');
    it.reach('draining');
    it.time.advance(3_000);
    it.site.balancer('lb2').setMode('refuses');
    it.site.users.length = 0;
    it.time.advance(15_000);
    expect(said(it)).toEqual(['drain']);
    it.site.balancer('lb2').setMode('answers');
    expect(it.ended(id)).toMatchObject({ code: 'done' });
  });
});

describe('Who goes over it', () => {
  test('--force, for that operation and for the stop that follows it', () => {
    const it = scene();
    stand(it, down('app2'));
    const drained = it.ended(it.ask('drain', { force: true, reason: 'last one out' }));
    expect(drained).toMatchObject({ code: 'done', phase: 'drained' });
    expect(drained.warnings.join()).toContain('drain.keep is 1; forced');
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('a shutdown, also in the middle of another operation', () => {
    const it = waiting({ supervises: true });
    stand(it, down('app2'));
    it.time.advance(2_000);
    expect(it.admin()).toBe('ready');
    const id = it.ask('stop', { isShutdown: true, by: 'signal', onTimeout: 'force', timeoutMs: 3_000 });
    it.time.advance(500);
    expect(it.admin()).toBe('drain');
    expect(it.ended(id)).toMatchObject({ code: 'done', phase: 'stopped' });
  });

  test('an application that is gone costs nothing more', () => {
    const it = waiting();
    it.site.die();
    it.time.advance(600);
    stand(it, down('app2'));
    expect(it.ended(it.id)).toMatchObject({ code: 'done', phase: 'stopped' });
    expect(said(it)).toEqual(['drain', 'maint']);
  });

  test('keep: 0', () => {
    const it = scene({ keep: 0 });
    stand(it, down('app2'));
    expect(it.ended(it.ask('stop'))).toMatchObject({ code: 'done' });
  });
});

describe('What counts as another', () => {
  const same: Relative = { name: 'app/same', of: 'app/app1', by: 'address', role: 'active', usable: true };

  test.each([
    ['drain', 'done'],
    ['stop', 'guard'],
  ] as const)('one of our own address does for a drain, not for a stop: %s is %s', (kind, code) => {
    const it = scene({ ignoreServers: ['app/same'] }, ({ balancers }) =>
      Object.assign(balancers[0] ?? {}, { others: 2, relatives: [same] }),
    );
    onceSaid(it, 'drain', down('app2'), sibling('same', { by: 'address' }));
    expect(it.ended(it.ask(kind)).code).toBe(code);
  });

  test.each([
    [false, 'guard'],
    [true, 'done'],
  ])('a backup does where keepBackups is %s: %s', (keepBackups, code) => {
    const it = scene({ keepBackups });
    Object.assign(it.lb, { standbys: ['app/spare'] });
    onceSaid(it, 'drain', down('app2'));
    Object.assign(it.lb, { siblings: null });
    const end = it.ended(it.ask('drain'));
    expect(end.code).toBe(code);
  });

  test('our own server that takes no new users costs nothing', () => {
    const it = scene();
    Object.assign(it.lb.server('app/app1'), { up: false });
    it.time.advance(3_000);
    stand(it, down('app2'));
    expect(it.ended(it.ask('drain'))).toMatchObject({ code: 'done' });
  });
});
