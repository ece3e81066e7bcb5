import { afterEach, describe, expect, test } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { lastcall } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { openRig, patience, type Rig, told } from '../support/rig.ts';

let rig: Rig;
afterEach(() => rig.close());

/** A drain by flags, at another address or of another server. */
const drain = (haproxy: string, server = 'app/app1') =>
  told(lastcall(['drain', '--haproxy', haproxy, '--server', server, '--json']));

function connectedOrNot(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('connect', () => resolve()).on('error', () => resolve()));
}

describe('What HAProxy does not have or does not allow', () => {
  test.each([
    ['server', 'app/nobody', 'app1'],
    ['backend', 'nowhere/app1', 'nowhere'],
    ['server, only a frontend of that name', 'web/app1', 'web'],
  ])('no such %s: 78, and the message names what is wrong', async (_what, server, named) => {
    rig = await openRig();
    const { code, json, stderr } = await drain(rig.haproxy.socket, server);
    expect({ code, said: json.code }).toEqual({ code: 78, said: 'no-such-server' });
    expect(stderr).toContain(named);
  });

  test('a socket of level operator: 78 not-permitted, and nothing changed', async () => {
    rig = await openRig();
    const before = await rig.states();
    const { code, json, stderr } = await drain(rig.haproxy.operatorSocket);
    expect({ code, said: json.code }).toEqual({ code: 78, said: 'not-permitted' });
    expect(stderr).toContain('level admin');
    expect(await rig.states()).toBe(before);
  });

  test.each([
    ['app/app1;disable server app/app2'],
    ['app/app1\nshow info'],
    ['app/ app1'],
    ['app1'],
    ['app/'],
  ])('the name %j is refused with 64 before anything is written', async (server) => {
    rig = await openRig();
    const before = await rig.states();
    expect(await drain(rig.haproxy.socket, server)).toMatchObject({ code: 64, json: { code: 'usage' } });
    expect(await rig.states()).toBe(before);
  });
});

describe('A Runtime API that does not answer', () => {
  test('missing or refused: 69, named, with what to do', async () => {
    rig = await openRig();
    const missing = await drain(`${rig.dir}/missing.sock`);
    expect(missing).toMatchObject({ code: 69, json: { code: 'balancer-unreachable' } });
    expect(missing.stderr).toContain(`${rig.dir}/missing.sock`);
    const nobody = await drain(`tcp://127.0.0.1:${await freePort()}`);
    expect(nobody).toMatchObject({ code: 69, json: { code: 'balancer-unreachable' } });
    // Its socket stays behind.
    await rig.haproxy.kill('SIGKILL');
    const dead = await drain(rig.haproxy.socket);
    expect(dead).toMatchObject({ code: 69, json: { code: 'balancer-unreachable' } });
    expect(dead.stderr).toContain('refused');
  });

  test('frozen at the start: 69 after its deadline, and no change comes when it thaws', async () => {
    rig = await openRig();
    const before = await rig.states();
    await rig.haproxy.kill('SIGSTOP');
    const frozen = await drain(rig.haproxy.socket);
    await rig.haproxy.kill('SIGCONT');
    expect(frozen).toMatchObject({ code: 69, json: { code: 'balancer-unreachable' } });
    expect(frozen.stderr).toContain('no answer within');
    expect(await rig.states()).toBe(before);
  });

  test('frozen in the middle: unknown is not zero; the drain waits, and goes on when it thaws', async () => {
    rig = await openRig({ termMs: 50 });
    const agent = await rig.sidecar();
    const visitor = await rig.signIn();
    const { json } = await told(agent.cli('stop', '--no-wait'));
    await agent.reaches('draining');
    await rig.haproxy.kill('SIGSTOP');
    for await (const { event, data } of agent.client.events(patience())) {
      if (event === 'status' && data.balancers[0]?.reachable === false) break;
    }
    // The user has left, but no balancer can confirm it by its connections.
    await visitor.leave();
    for await (const { event, data } of agent.client.events(patience())) {
      if (event === 'status' && data.sessions.total === 0) break;
    }
    expect(await agent.client.status(patience())).toMatchObject({
      phase: 'draining',
      operation: { id: json.id },
      balancers: [{ reachable: false, servers: [{ connections: null, queued: null }] }],
    });
    expect(await rig.terms()).toBe(0);
    await rig.haproxy.kill('SIGCONT');
    expect(await agent.ends(json.id)).toMatchObject({ ok: true, phase: 'stopped' });
    expect(await rig.terms()).toBe(1);
  });

  test('frozen in the middle of direct mode until the deadline: 124 and restored once it thaws', async () => {
    rig = await openRig();
    const before = await rig.states();
    await rig.signIn();
    const sessions = ['--sessions', `${rig.node.url}/sessions`];
    const running = lastcall([
      'drain',
      '--haproxy',
      rig.haproxy.socket,
      '--server',
      'app/app1',
      ...sessions,
      '--timeout',
      '1s',
    ]);
    await running.said('draining');
    await rig.haproxy.kill('SIGSTOP');
    await running.said('returning');
    await rig.haproxy.kill('SIGCONT');
    const { code, stderr } = await running.outcome;
    expect(code).toBe(124);
    expect(stderr).toContain('what was found is restored');
    expect(await rig.states()).toBe(before);
  });

  test('all its connections taken by others: 69 with a hint, and well again when they leave', async () => {
    rig = await openRig({ statsMaxconn: 3 });
    // Three are served and some more wait; when no more can wait, connecting fails.
    const idle = Array.from({ length: 6 }, () => connect({ path: rig.haproxy.socket }));
    await Promise.all(idle.map(connectedOrNot));
    const full = await drain(rig.haproxy.socket);
    expect(full).toMatchObject({ code: 69, json: { code: 'balancer-unreachable' } });
    expect(full.stderr).toContain('stats maxconn');
    for (const socket of idle) socket.destroy();
    expect(await drain(rig.haproxy.socket)).toMatchObject({ code: 0, json: { phase: 'drained' } });
  });
});
