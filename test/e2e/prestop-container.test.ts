import { describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastcall } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { agentOf, openRig, patience, told, type Agent } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { hooksPort, open, prestop, rig, running, waits, setRig, setRunning } from '../support/prestop-rig.ts';

interface Line {
  readonly event: string;
  readonly id: string;
  readonly joins?: string;
  readonly operation: string;
  readonly by?: string;
}

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
    let log = '';
    for (const stream of [child.child.stdout, child.child.stderr])
      stream.on('data', (text: string) => (log += text));
    await child.said('running');
    const agent = agentOf({
      control,
      pid: child.child.pid ?? 0,
      log: () => log,
      lastcall: () => Promise.reject(new Error('not used')),
      stop: () => Promise.resolve(),
      kill: () => Promise.resolve(),
      ended: child.outcome.then(() => undefined),
    });
    await agent.reaches('serving');
    return agent;
  }

  async function audited(): Promise<Line[]> {
    const lines = (await readFile(join(rig.dir, 'audit.log'), 'utf8')).trimEnd().split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
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

  test('a SIGTERM, two hooks and a stop are one operation: one entry of the audit, and one result for all four', async () => {
    const agent = await supervised();
    const visitor = await rig.signIn();
    running?.child.kill('SIGTERM');
    await agent.reaches('draining');
    const hooks = [prestop(), prestop()];
    await waits(agent, 2);
    const stopping = told(agent.cli('stop', '--reason', 'deploy 41'));
    await until('the stop has joined', async () =>
      (await audited()).some(({ event, by }) => event === 'join' && String(by).startsWith('cli')),
    );
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    await visitor.leave();
    const answers = [...(await Promise.all(hooks)).map(({ result }) => result), (await stopping).json];
    expect(await running?.outcome).toMatchObject({ code: 0 });
    expect([await rig.terms(), await rig.admin()]).toEqual([1, 'MAINT']);

    const lines = await audited();
    expect(lines.map(({ event, operation, by }) => `${event} ${operation} ${by ?? ''}`)).toEqual([
      'begin stop signal',
      'join drain prestop',
      expect.stringMatching(/^join stop cli /),
      'end stop ',
    ]);
    const [{ id }, first, second, end] = lines as [Line, Line, Line, Line];
    expect([first.joins, second.joins, end.id]).toEqual([id, id, id]);
    const results = answers.map(({ ok, code, forced, reason, sessions, receipt, balancers }) => ({
      ok,
      code,
      forced,
      reason,
      sessions,
      receipt,
      balancers,
    }));
    expect(results).toEqual(results.map(() => results[0]));
    expect([results[0], end]).toMatchObject([
      { ok: true, code: 'done', forced: 0, reason: 'SIGTERM', sessions: { start: 1, last: 0 } },
      { code: 'done', phase: 'stopped', forced: 0 },
    ]);
    // Each answer has the line of its own caller.
    expect(answers.map(({ joined }) => joined?.map((one) => one.id))).toEqual([
      [first.id],
      [first.id],
      [second.id],
    ]);
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
