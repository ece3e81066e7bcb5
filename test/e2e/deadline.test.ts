import { afterEach, describe, expect, test } from '@jest/globals';
import { column, openRig, type Rig, told } from '../support/rig.ts';

let rig: Rig;
afterEach(() => rig.close());

describe('The deadline', () => {
  test('restore: 124, and everything is as it was found', async () => {
    rig = await openRig({ server: 'weight 100' });
    await rig.haproxy.command('set server app/app1 weight 50%');
    const before = await rig.states();
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    const { code, json, stderr } = await told(
      agent.cli('stop', '--timeout', '400ms', '--on-timeout', 'restore'),
    );
    expect(code).toBe(124);
    expect(json).toMatchObject({
      ok: false,
      code: 'deadline',
      phase: 'serving',
      sessions: { start: 1, last: 1 },
    });
    expect(stderr).toMatch(/^lastcall: stop of app1 [^\n]*with 1 session left[^\n]*\n$/);
    expect(await rig.states()).toBe(before);
    expect(await rig.terms()).toBe(0);
    expect(await visitor.click()).toMatchObject({ node: 'app1', lost: false });
  });

  test('hold: 124, still draining, and ready undoes it', async () => {
    rig = await openRig();
    const before = await rig.states();
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    const { code, json } = await told(agent.cli('drain', '--timeout', '2s', '--on-timeout', 'hold'));
    expect({ code, phase: json.phase }).toEqual({ code: 124, phase: 'draining' });
    expect(json.message).toContain('lastcall ready');
    expect(await rig.admin()).toBe('DRAIN');
    expect(await visitor.click()).toMatchObject({ node: 'app1', lost: false });
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    expect(await rig.states()).toBe(before);
  });

  test('hold, and everybody leaves later: it ends up drained and fenced without being asked again', async () => {
    rig = await openRig();
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    await told(agent.cli('drain', '--timeout', '300ms', '--on-timeout', 'hold'));
    await visitor.leave();
    await agent.reaches('drained');
    expect(await rig.admin()).toBe('MAINT');
  });

  test('force: 0 with a warning and how many were still there, and only MAINT closes connections', async () => {
    rig = await openRig({ termMs: 50 });
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    // A request that takes far longer than anybody waits; its end is the closing by HAProxy.
    const cut = visitor
      .click('/?sleep=20000')
      .then(async ({ status }) => ({ status, admin: await rig.admin() }));
    const { code, json } = await told(agent.cli('stop', '--timeout', '500ms', '--on-timeout', 'force'));
    expect(code).toBe(0);
    expect(json).toMatchObject({ ok: true, code: 'done', phase: 'stopped', forced: 1 });
    expect(json.warnings.join('\n')).toContain('forced with 1 session left');
    const { status, admin } = await cut;
    expect(status).toBeGreaterThanOrEqual(500);
    expect(admin).toBe('MAINT');
    expect(await rig.terms()).toBe(1);
    expect(await column(rig.haproxy, 'app', 1, 'scur')).toBe('0');
  });

  test('force with requests in the queue: they are answered elsewhere or wait, none is cut while it queues', async () => {
    rig = await openRig({ cookie: false, server: 'maxconn 1', others: '  server app2 127.0.0.1:1 backup\n' });
    const agent = await rig.sidecar({ sections: { drain: { timeout: '30s', keep: 0, quiet: '0s' } } });
    const first = fetch(`${rig.url}/?sleep=1500`);
    const second = fetch(`${rig.url}/?sleep=10`);
    const { code, json } = await told(agent.cli('drain', '--timeout', '300ms', '--on-timeout', 'force'));
    expect(code).toBe(0);
    expect(json.forced).toBeGreaterThan(0);
    expect((await first).status).toBeDefined();
    expect((await second).status).toBeDefined();
    expect(await column(rig.haproxy, 'app', 1, 'qcur')).toBe('0');
    expect(await rig.admin()).toBe('MAINT');
  });

  test('in direct mode it restores just the same', async () => {
    rig = await openRig();
    const before = await rig.states();
    await rig.signIn();
    const words = ['--sessions', `${rig.node.url}/sessions`, '--timeout', '400ms'];
    const { code, json } = await told(rig.direct('drain', ...words));
    expect({ code, json: json.code }).toEqual({ code: 124, json: 'deadline' });
    expect(await rig.states()).toBe(before);
  });
});
