import { afterEach, describe, expect, test } from '@jest/globals';
import { createUsers, type Users } from '../fixtures/users.ts';
import { lastcall } from '../support/cli.ts';
import { openRig, patience, type Rig, told } from '../support/rig.ts';
import { openSite, type Site } from '../support/site.ts';

let site: Site | undefined;
let rig: Rig | undefined;
let users: Users | undefined;
afterEach(async () => {
  await users?.stop();
  await site?.close();
  await rig?.close();
  site = rig = users = undefined;
});

/** Clicks every 100 ms or so, and leaves within a second or two. */
const CROWD = { population: 24, thinkMs: 100, stayMs: 1500, pageMs: 20 };

describe('What lastcall is for', () => {
  test('stop by flags alone, under live sticky users: nothing failed, no session lost, one JSON object', async () => {
    site = await openSite({}, patience());
    const [node] = site.nodes;
    if (!node) throw new Error('no node');
    users = createUsers({ url: site.url, ...CROWD });
    await users.start();
    const sessions = ['--sessions', `${node.url}/sessions`];
    const words = ['--haproxy', site.haproxy.socket, '--server', `app/${node.name}`, ...sessions];
    const { code, json, stderr } = await told(
      lastcall(['stop', ...words, '--stop-pid', node.pidFile, '--reason', 'deploy 41', '--json']),
    );
    const report = await users.stop();

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(json).toMatchObject({
      ok: true,
      code: 'done',
      operation: 'stop',
      id: expect.stringMatching(/^[\w-]+$/),
      node: expect.any(String),
      phase: 'stopped',
      seconds: expect.any(Number),
      reason: 'deploy 41',
      forced: 0,
      balancers: [
        {
          name: site.haproxy.socket,
          servers: [{ name: 'app/app1', admin: 'maint', operational: 'down', connections: 0, queued: 0 }],
        },
      ],
      sessions: { start: expect.any(Number), last: 0 },
      receipt: { connectionErrors: 0, responseErrors: 0, redispatches: 0, clientAborts: 0, http5xx: 0 },
      warnings: expect.any(Array),
    });
    expect(json.sessions.start).toBeGreaterThan(0);
    expect(await node.sessions()).toBeNull();
    expect(report.failures).toEqual([]);
    expect(report).toMatchObject({ failed: 0, lost: 0 });
    expect(report.nodes['app1']?.requests).toBeGreaterThan(0);
  });

  test('kill -9 of the sidecar during the drain, then start: the stop ends within its own time, and ran once', async () => {
    rig = await openRig({ termMs: 100 });
    const visitor = await rig.signIn();
    const first = await rig.sidecar();
    const { json: accepted } = await told(
      first.cli('stop', '--no-wait', '--timeout', '25s', '--reason', 'deploy 41'),
    );
    expect(accepted).toMatchObject({ ok: true, code: 'accepted', reason: 'deploy 41' });
    await first.reaches('draining');
    await first.kill();
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });

    const second = await rig.sidecar();
    const { operation } = await second.reaches('draining');
    expect(operation).toMatchObject({ id: accepted.id, operation: 'stop', reason: 'deploy 41' });
    expect(operation?.remaining).toBeLessThan(25);
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    await visitor.leave();

    const result = await second.ends(accepted.id);
    expect(result).toMatchObject({
      ok: true,
      code: 'done',
      phase: 'stopped',
      forced: 0,
      reason: 'deploy 41',
    });
    expect(await rig.terms()).toBe(1);
    expect(await rig.admin()).toBe('MAINT');
    // Fetched later, by its id.
    expect(await second.client.operation(accepted.id, patience())).toEqual({ state: 'ended', result });
  });
});
