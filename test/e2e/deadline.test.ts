import { afterEach, describe, expect, test } from '@jest/globals';
import { isFrom } from '../support/haproxy.ts';
import { column, openRig, type Rig, told } from '../support/rig.ts';

let rig: Rig;
afterEach(() => rig.close());

/** How a request ends that is cut: from 3.0 on HAProxy sends no 502 then. */
const CLOSED = 'closed without a byte';
const endOf = (answer: Promise<{ readonly status: number }>): Promise<number | string> =>
  answer.then(
    ({ status }) => status,
    () => CLOSED,
  );

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

  test('hold, and every user leaves later: it ends up drained and fenced without being asked again', async () => {
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
    // A request that takes far longer than any wait here; its end is the closing by HAProxy.
    const cut = endOf(visitor.click('/?sleep=20000')).then(async (end) => ({
      end,
      admin: await rig.admin(),
    }));
    const { code, json } = await told(agent.cli('stop', '--timeout', '500ms', '--on-timeout', 'force'));
    expect(code).toBe(0);
    expect(json).toMatchObject({ ok: true, code: 'done', phase: 'stopped', forced: 1 });
    expect(json.warnings.join('\n')).toContain('forced with 1 session left');
    const end = (await isFrom(rig.haproxy, '3.0')) ? CLOSED : 502;
    expect(await cut).toEqual({ end, admin: 'MAINT' });
    expect(await rig.terms()).toBe(1);
    expect(await column(rig.haproxy, 'app', 1, 'scur')).toBe('0');
  });

  test('force with requests in the queue: they are answered elsewhere or wait, none is cut while it queues', async () => {
    rig = await openRig({ cookie: false, server: 'maxconn 1', others: '  server app2 127.0.0.1:1 backup\n' });
    const agent = await rig.sidecar({ sections: { drain: { timeout: '30s', keep: 0, quiet: '0s' } } });
    const ends = [endOf(fetch(`${rig.url}/?sleep=1500`)), endOf(fetch(`${rig.url}/?sleep=10`))];
    const { code, json } = await told(agent.cli('drain', '--timeout', '300ms', '--on-timeout', 'force'));
    expect(code).toBe(0);
    expect(json.forced).toBeGreaterThan(0);
    const cut = (await Promise.all(ends)).filter((end) => end === CLOSED);
    expect(cut.length).toBeLessThanOrEqual((await isFrom(rig.haproxy, '3.0')) ? 1 : 0);
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
