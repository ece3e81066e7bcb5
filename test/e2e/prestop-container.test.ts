import { describe, expect, test } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastcall } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { agentOf, openRig, patience, told, type Agent } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { hooksPort, open, prestop, rig, running, waits, setRig, setRunning } from '../support/prestop-rig.ts';

describe('Under run -- COMMAND', () => {
  /** `lastcall run -- COMMAND` in place of the rig's own application. */
  async function supervised(): Promise<Agent> {
    setRig(await openRig({ termMs: 50 }));
    await rig.node.kill();
    const { dir, haproxy, node } = rig;
    const control = join(dir, 'child.sock');
    const config = {
      node: 'app1',
      app: { probe: { http: { url: `${node.url}/health` }, every: '100ms', timeout: '1s', rise: 1 } },
      balancers: [{ haproxy: haproxy.socket, servers: ['app/app1'] }],
      sessions: [{ http: { url: `${node.url}/sessions` } }],
      drain: { quiet: '0s', timeout: '20s' },
      listen: { control, hooks: await hooksPort() },
      state: join(dir, 'child.json'),
      audit: join(dir, 'audit.log'),
    };
    await writeFile(join(dir, 'child.yaml'), JSON.stringify(config));
    return start();
  }

  async function start(): Promise<Agent> {
    const control = join(rig.dir, 'child.sock');
    const command = rig.node.startCommand.filter((word) => word !== '--daemon');
    const child = lastcall(['run', '-c', join(rig.dir, 'child.yaml'), '--', ...command]);
    setRunning(child);
    await child.said('running');
    const agent = agentOf({
      control,
      pid: child.child.pid ?? 0,
      log: () => '',
      lastcall: () => Promise.reject(new Error('not used')),
      stop: () => Promise.resolve(),
      kill: () => Promise.resolve(),
      ended: child.outcome.then(() => undefined),
    });
    await agent.reaches('serving');
    return agent;
  }

  test('two hooks, a SIGTERM and a stop are one drain and one stop, and the next container serves', async () => {
    const agent = await supervised();
    const visitor = await rig.signIn();
    const hooks = [prestop(), prestop()];
    await agent.reaches('draining');
    const stopping = told(agent.cli('stop'));
    await until(
      'the stop is asked for',
      async () => (await agent.client.status(patience())).operation?.operation === 'stop',
    );
    running?.child.kill('SIGTERM');
    await until(
      'the shutdown has taken it over',
      async () => (await agent.client.status(patience())).operation?.by === 'signal',
    );
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    await visitor.leave();
    expect(await Promise.all(hooks)).toMatchObject([
      { status: 200, result: { ok: true, forced: 0 } },
      { status: 200, result: { ok: true, forced: 0 } },
    ]);
    expect((await stopping).json).toMatchObject({ ok: true, phase: 'stopped', forced: 0 });
    expect(await running?.outcome).toMatchObject({ code: 0 });
    expect(await rig.terms()).toBe(1);
    expect(await rig.admin()).toBe('MAINT');
  });

  test('a drain of the hook does not outlive the container: the next one serves', async () => {
    await supervised();
    expect(await prestop()).toMatchObject({ status: 200, result: { phase: 'drained' } });
    running?.child.kill('SIGTERM');
    expect(await running?.outcome).toMatchObject({ code: 0 });
    expect(await rig.admin()).toBe('MAINT');
    await start();
    expect(await rig.admin()).toBe('no check');
  });
});

describe('A sidecar with a port for hooks', () => {
  test('that ends hangs up on those who wait, at once, and leaves the drain as it is', async () => {
    const agent = await open();
    await rig.signIn();
    const hooks = Array.from({ length: 10 }, () =>
      prestop().then(
        () => 'answered',
        () => 'hung up',
      ),
    );
    await waits(agent, 10);
    await until('DRAIN', async () => (await rig.admin()) === 'DRAIN');
    const began = Date.now();
    await agent.stop();
    expect(Date.now() - began).toBeLessThan(3_000);
    expect(await Promise.all(hooks)).toEqual(hooks.map(() => 'hung up'));
    expect(await rig.admin()).toBe('DRAIN');
  });

  test('does not start without its token, and says so with 78', async () => {
    setRig(await openRig());
    const listen = {
      control: join(rig.dir, 'app1.sock'),
      hooks: { address: '0.0.0.0:1', tokenFile: join(rig.dir, 'no') },
    };
    listen.hooks.address = `0.0.0.0:${await freePort()}`;
    await expect(rig.sidecar({ sections: { listen } })).rejects.toThrow(/ended \(78\).*tokenFile.*ENOENT/s);
    const open0 = { control: listen.control, hooks: { address: listen.hooks.address } };
    await expect(rig.sidecar({ sections: { listen: open0 } })).rejects.toThrow(
      /ended \(78\).*needs a tokenFile/s,
    );
  });
});
