import { afterEach, describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { column, openRig, patience, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

describe('The application', () => {
  test('dies by itself during the drain of a stop: no session is left, the node is fenced, the result says so', async () => {
    rig = await openRig({ termMs: 50 });
    const agent = await rig.sidecar();
    await rig.signIn();
    const { json } = await told(agent.cli('stop', '--no-wait'));
    await agent.reaches('draining');
    process.kill(Number(await readFile(rig.node.pidFile, 'utf8')), 'SIGKILL');
    const result = await agent.ends(json.id);
    expect(result).toMatchObject({ ok: true, code: 'done', phase: 'stopped' });
    expect(result.warnings.join()).toContain('by itself');
    expect(await rig.admin()).toBe('MAINT');
    expect(await rig.terms()).toBe(0);
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    expect(await rig.node.sessions()).toBe(0);
  });

  test('is started again by something else, and no probe tells: its users are counted, and it is what a stop stops', async () => {
    rig = await openRig({ termMs: 50 });
    // A source that does not show whether the application lives.
    const script = `fetch('${rig.node.url}/sessions').then((a) => a.text()).then(console.log)`;
    const agent = await rig.sidecar({
      sections: {
        app: { stop: { signal: { name: 'SIGTERM', pidFile: rig.node.pidFile } } },
        sessions: [{ command: [process.execPath, '-e', script] }],
      },
    });
    await rig.signIn();
    const { json: given } = await told(agent.cli('stop', '--no-wait'));
    await agent.reaches('draining');
    await agent.client.cancel(given.id, patience());
    await agent.ends(given.id);
    await rig.node.kill();
    await until('it is missed', () => agent.log().includes('the application is gone'));
    await rig.node.start();
    await rig.node.untilServing(patience());
    await until('it is found', () => agent.log().includes('the application runs again'));
    const visitor = await rig.signIn();
    const { json } = await told(agent.cli('stop', '--no-wait'));
    await agent.reaches('draining');
    expect(await visitor.click()).toMatchObject({ node: 'app1', lost: false });
    await visitor.leave();
    expect(await agent.ends(json.id)).toMatchObject({ ok: true, code: 'done', phase: 'stopped' });
    expect(await rig.node.terms()).toMatchObject([{ active: 0 }]);
  });

  test('is never healthy after its restart: 70, it stays in MAINT, and ready tries again', async () => {
    rig = await openRig({ termMs: 50 });
    const flag = join(rig.dir, 'may-start');
    // Reports that it started the application, and does so only where the flag is.
    const start = ['sh', '-c', `[ -e ${flag} ] || exit 0; exec "$@"`, 'sh', ...rig.node.startCommand];
    const agent = await rig.sidecar({
      sections: {
        app: {
          probe: { http: { url: `${rig.node.url}/health` }, every: '100ms', timeout: '1s' },
          start: { command: start },
          stop: { signal: { name: 'SIGTERM', pidFile: rig.node.pidFile } },
        },
        return: { timeout: '4s' },
      },
    });
    const failed = await told(agent.cli('restart'));
    expect(failed).toMatchObject({ code: 70, json: { ok: false, code: 'app-health', phase: 'failed' } });
    expect(failed.stderr).toContain('lastcall ready');
    expect(await rig.admin()).toBe('MAINT');
    await writeFile(flag, '');
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    expect(await rig.admin()).toBe('no check');
    expect(await rig.terms()).toBe(1);
  });

  test('cannot be started at all: 70 with the message of the command', async () => {
    rig = await openRig({ termMs: 50 });
    const agent = await rig.sidecar({
      sections: {
        app: {
          start: { command: ['sh', '-c', 'exit 3'] },
          stop: { signal: { name: 'SIGTERM', pidFile: rig.node.pidFile } },
        },
      },
    });
    const failed = await told(agent.cli('restart'));
    expect(failed).toMatchObject({ code: 70, json: { code: 'app-health', phase: 'failed' } });
    expect(failed.stderr).toContain('3');
    expect(await rig.admin()).toBe('MAINT');
  });

  test('comes back from MAINT, so that HAProxy’s slowstart applies, and UP is read back', async () => {
    rig = await openRig({ termMs: 50, server: 'check inter 200ms rise 1 fall 2 slowstart 60s' });
    const agent = await rig.sidecar();
    const { code, json } = await told(agent.cli('restart'));
    expect(code).toBe(0);
    expect(json.balancers[0]?.servers).toEqual([
      { name: 'app/app1', admin: 'ready', operational: 'up', connections: 0, queued: 0 },
    ]);
    expect(await rig.admin()).toMatch(/^UP/);
    const throttle = Number((await column(rig.haproxy, 'app', 1, 'throttle'))?.replace('%', ''));
    expect(throttle).toBeGreaterThan(0);
    expect(throttle).toBeLessThan(100);
  });

  test('is healthy to us but not to HAProxy: ready waits for UP until its deadline, 70, and goes on trying', async () => {
    // Checked at a port without a listener.
    rig = await openRig({ termMs: 50, server: 'check port 1 inter 100ms rise 1 fall 2' });
    const agent = await rig.sidecar({ sections: { return: { timeout: '6s' } } });
    const { code, json } = await told(agent.cli('restart'));
    expect({ code, said: json.code, phase: json.phase }).toEqual({
      code: 70,
      said: 'app-health',
      phase: 'returning',
    });
    expect(json.message).toContain('app/app1');
    expect(await rig.admin()).toMatch(/^DOWN/);
  });
});
