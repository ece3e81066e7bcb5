import { describe, expect, test } from '@jest/globals';
import { evidenceOfLife } from '../../../agent/lifecycle/observed/evidence.ts';
import type { LifeSigns, ServerView } from '../../../agent/lifecycle/model/observation.ts';
import { scene } from '../../support/world/scene.ts';

const POLICY = { hasProbe: false, appSources: ['http'] };
const NONE: LifeSigns = { counts: {}, servers: [], open: [], processes: [] };
const server = (changes: Partial<ServerView>): LifeSigns['servers'] => [
  { balancer: 'lb1', view: { name: 'app/app1', admin: 'ready', ...changes } as ServerView },
];

describe('An application whose pid file names an ended process', () => {
  test('is not alive where nothing says so', () => {
    expect(evidenceOfLife(POLICY, 'unknown', NONE)).toEqual([]);
    expect(evidenceOfLife({ ...POLICY, hasProbe: true }, 'down', NONE)).toEqual([]);
    expect(evidenceOfLife(POLICY, 'unknown', { ...NONE, servers: server({}) })).toEqual([]);
  });

  test.each([
    ['its probe is good', 'up', {}, 'probe: up'],
    ['its probe has not answered yet', 'unknown', {}, 'probe: unknown'],
    [
      'HAProxy checks it and finds it up',
      'down',
      { servers: server({ check: 'L7OK' }) },
      "lb1: app/app1 is up by HAProxy's check (L7OK)",
    ],
    [
      'in DRAIN, where checks go on, too',
      'down',
      { servers: server({ admin: 'drain', check: 'L4OK' }) },
      "lb1: app/app1 is up by HAProxy's check (L4OK)",
    ],
    ['its port is open', 'down', { open: ['10.0.0.1:80'] }, '10.0.0.1:80 takes connections'],
    ['a source in it answers, of nobody', 'down', { counts: { http: 0 } }, 'http counts 0 sessions'],
  ] as const)('may be alive: %s', (_what, health, signs, said) => {
    expect(evidenceOfLife({ ...POLICY, hasProbe: true }, health, { ...NONE, ...signs })).toEqual([said]);
  });

  test('may be alive by a source outside it that counts users, where no probe tells what they are', () => {
    const signs = { ...NONE, counts: { files: 2 } };
    expect(evidenceOfLife(POLICY, 'unknown', signs)).toEqual(['files counts 2 sessions']);
    expect(evidenceOfLife(POLICY, 'down', signs)).toEqual(['files counts 2 sessions']);
  });

  test('is not alive by the entries that a crash has left in a stick table, once its probe says that it is down', () => {
    const signs = { ...NONE, counts: { table: 2 } };
    expect(evidenceOfLife({ ...POLICY, hasProbe: true }, 'down', signs)).toEqual([]);
  });

  test('is not alive by what HAProxy had found before MAINT, nor by a source that counts no user without it', () => {
    const signs = { ...NONE, servers: server({ admin: 'maint', check: 'L7OK' }), counts: { files: 0 } };
    expect(evidenceOfLife(POLICY, 'unknown', signs)).toEqual([]);
  });
});

describe('Where nothing will show that the application has ended', () => {
  test('restart is refused before anything is changed, and a ready waits for the stop to end', () => {
    const it = scene({ stopIsIdempotent: false, stopProves: false });
    const refused = it.ended(it.ask('restart'));
    expect(refused).toMatchObject({ ok: false, code: 'config', phase: 'serving' });
    expect(refused.message).toContain('app.stop.gone');
    const id = it.ask('stop');
    it.reach('stopping');
    expect(it.ended(it.ask('ready'))).toMatchObject({ ok: false, code: 'busy' });
    expect(it.ended(id)).toMatchObject({ ok: true, code: 'done', phase: 'stopped' });
    // Nothing is there any more that it could start another one beside.
    expect(it.ended(it.ask('restart'))).toMatchObject({ ok: true, code: 'done', phase: 'serving' });
  });
});

describe('An application that has replaced itself', () => {
  test('is never gone: its users are waited for, and the stop is for the process that it is now', () => {
    const it = scene();
    it.site.visit();
    const id = it.ask('stop');
    it.reach('draining');
    const proof = { pid: 4_711, startTime: '1' };
    it.sidecar.post({ type: 'app-back', proof });
    expect(it.sidecar.state.app).toMatchObject({ gone: false, proof });
    it.time.advance(10_000);
    expect(it.result(id)).toBeUndefined();
    expect(it.admin()).toBe('drain');
  });
});
