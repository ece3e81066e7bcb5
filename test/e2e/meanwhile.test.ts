import { afterEach, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { type NameServer, resolversBy, startNameServer } from '../support/name-server.ts';
import { openRig, patience, type Agent, type Rig, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
let dns: NameServer | undefined;
afterEach(async () => {
  await rig.close();
  dns?.stop();
  dns = undefined;
});

const shown = async (agent: Agent) => (await agent.client.status(patience())).balancers[0]?.servers[0];
const untilAdmin = (pattern: RegExp): Promise<true> =>
  until(`HAProxy shows ${pattern}`, async () => pattern.test(await rig.admin()));
const untilOwner = (agent: Agent, admin: string, owner: string): Promise<true> =>
  until(`status shows ${admin} by ${owner}`, async () => {
    const server = await shown(agent);
    return server?.admin === admin && server.owner === owner;
  });

/** app1 is found by DNS (`app1.test`), on the port of the application. */
async function openByName(): Promise<NameServer> {
  const server = await startNameServer('app1.test');
  dns = server;
  const { section, words } = resolversBy(server);
  rig = await openRig({
    host: 'app1.test',
    server: words,
    others: `  server app2 127.0.0.1:1 cookie app2\n${section}`,
  });
  await untilAdmin(/^no check$/);
  return server;
}

describe('DNS that loses the address for a moment', () => {
  test('over our DRAIN: the user is waited for, then it is fenced; over MAINT and on the way back, too', async () => {
    const { known } = await openByName();
    const agent = await rig.sidecar();
    const user = await rig.signIn();
    const drain = told(agent.cli('drain'));
    await untilAdmin(/^DRAIN/);
    known.clear();
    await untilOwner(agent, 'maint', 'config');
    await until('it is told', () => agent.log().includes('does not resolve (DNS)'));
    known.add('app1.test');
    await untilOwner(agent, 'drain', 'lastcall');
    await user.leave();
    expect(await drain).toMatchObject({ code: 0, json: { phase: 'drained' } });
    expect((await drain).json.warnings.join()).toContain('does not resolve (DNS)');
    expect(await rig.admin()).toBe('MAINT');
    known.clear();
    await untilAdmin(/resolution/);
    const back = await told(agent.cli('ready'));
    expect(back).toMatchObject({ code: 75, json: { code: 'held' } });
    known.add('app1.test');
    await untilAdmin(/^no check$/);
    expect(await rig.states()).toMatch(/ app1 127\.0\.0\.1 \d 0 /);
  });

  test('while it is drained in direct mode: no user can come when it is back', async () => {
    const { known } = await openByName();
    known.clear();
    await untilAdmin(/resolution/);
    expect(await told(rig.direct('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
    known.add('app1.test');
    await untilAdmin(/^MAINT$/);
    expect(await told(rig.direct('ready'))).toMatchObject({ code: 0 });
    expect(await rig.admin()).toBe('no check');
  });
});

describe('A server whose line a reload removes in the middle', () => {
  test('stops once its last user is gone, says so, and ready ends with 78', async () => {
    rig = await openRig({ master: true });
    const agent = await rig.sidecar();
    const user = await rig.signIn();
    const stop = told(agent.cli('stop'));
    await untilAdmin(/^DRAIN/);
    await rig.haproxy.rewrite(`defaults\n  mode http\nbackend app\n  server app2 127.0.0.1:1\n`);
    await rig.haproxy.reload();
    await until('status tells it', async () => {
      const { alarms, balancers } = await agent.client.status(patience());
      return (
        alarms.join().includes('was removed from HAProxy by a reload') && balancers[0]?.reachable === true
      );
    });
    expect(await shown(agent)).toMatchObject({ admin: null, owner: 'none' });
    await user.leave();
    expect(await stop).toMatchObject({ code: 0, json: { phase: 'stopped' } });
    expect((await stop).json.warnings.join()).toContain('was removed from HAProxy by a reload');
    await rig.node.start();
    expect(await told(agent.cli('ready'))).toMatchObject({ code: 78, json: { code: 'no-such-server' } });
    expect(await agent.client.status(patience())).toMatchObject({ phase: 'serving' });
  });
});

test('an agent-check that says `ready` at every poll is named as what undoes the drain', async () => {
  const agentCheck = createServer((socket) => socket.on('error', () => undefined).end('up ready\n'));
  agentCheck.listen(0, '127.0.0.1');
  await once(agentCheck, 'listening');
  const { port } = agentCheck.address() as { port: number };
  rig = await openRig({ server: `agent-check agent-port ${port} agent-inter 100ms` });
  try {
    const ended = await told(rig.direct('drain', '--timeout', '4s'));
    expect(ended).toMatchObject({ code: 124, json: { code: 'deadline' } });
    expect(ended.json.warnings.join()).toMatch(
      /agent-check answers for this server \(L7OK, “via agent : up”\)/,
    );
  } finally {
    agentCheck.close();
  }
});
