import { describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { openRig, patience, told } from '../support/rig.ts';
import { until } from '../support/until.ts';
import { headers, hooksPort, open, port, prestop, rig, waits, setRig } from '../support/prestop-rig.ts';

async function begun(): Promise<string[]> {
  const lines = (await readFile(join(rig.dir, 'audit.log'), 'utf8')).trimEnd().split('\n');
  return lines
    .map((line) => JSON.parse(line) as { event: string; operation: string; by: string })
    .filter(({ event }) => event === 'begin')
    .map(({ operation, by }) => `${operation} by ${by.split(' ')[0] ?? ''}`);
}

describe('A preStop hook', () => {
  test('waits until the last user has left; a second one, and a stop of the command line, are the same operation', async () => {
    const agent = await open();
    const visitor = await rig.signIn();
    const first = prestop();
    await agent.reaches('draining');
    const second = prestop();
    await waits(agent, 2);
    const stopping = told(agent.cli('stop', '--reason', 'deploy 41'));
    await until(
      'the stop has taken over',
      async () => (await agent.client.status(patience())).operation?.operation === 'stop',
    );
    expect(await visitor.click()).toEqual({ status: 200, node: 'app1', lost: false });
    await visitor.leave();
    const { json } = await stopping;
    expect(json).toMatchObject({ ok: true, phase: 'stopped', forced: 0 });
    const answers = await Promise.all([first, second]);
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]).toMatchObject({ status: 200, result: { ok: true, operation: 'drain', forced: 0 } });
    await agent.stop();
    expect(await begun()).toEqual(['drain by prestop', 'stop by cli']);
  });

  test('joins a stop that is under way, and is answered at once where the node is drained or stopped', async () => {
    const agent = await open();
    const visitor = await rig.signIn();
    const stopping = told(agent.cli('stop'));
    await agent.reaches('draining');
    const hook = prestop();
    await waits(agent, 1);
    await visitor.leave();
    const { json } = await stopping;
    expect(json).toMatchObject({
      ok: true,
      phase: 'stopped',
      joined: [{ operation: 'drain', by: 'prestop' }],
    });
    expect(await hook).toMatchObject({ status: 200, result: { ok: true, joined: [{ by: 'prestop' }] } });
    expect(await prestop()).toMatchObject({ status: 200, result: { ok: true, phase: 'stopped' } });
  });

  test('that hangs up withdraws nothing', async () => {
    const agent = await open();
    const visitor = await rig.signIn();
    const outgoing = request({ port, host: '127.0.0.1', path: '/hooks/prestop', headers, agent: false });
    outgoing.on('error', () => undefined).end();
    await agent.reaches('draining');
    outgoing.destroy();
    expect(await visitor.click()).toMatchObject({ lost: false });
    expect((await agent.client.status(patience())).operation).toMatchObject({
      operation: 'drain',
      by: 'prestop',
    });
    await visitor.leave();
    await agent.reaches('drained');
    expect(await rig.admin()).toBe('MAINT');
  });

  test('is not refused: too few others are a warning', async () => {
    const agent = await open({}, { drain: { keep: 5, timeout: '30s', quiet: '0s' } });
    expect((await told(agent.cli('drain'))).json.code).toBe('guard');
    const { status, result } = await prestop();
    expect({ status, code: result.code, phase: result.phase }).toEqual({
      status: 200,
      code: 'done',
      phase: 'drained',
    });
    expect(result.warnings.join('\n')).toContain('drain.keep is 5');
  });

  test('forces at the deadline, which is what the application has next, and tells how many', async () => {
    const agent = await open({}, { drain: { timeout: '1500ms', quiet: '0s' } });
    await rig.signIn();
    const { status, result } = await prestop();
    expect({ status, code: result.code, forced: result.forced }).toEqual({
      status: 200,
      code: 'done',
      forced: 1,
    });
    expect(await rig.admin()).toBe('MAINT');
    await agent.stop();
  });

  test.each(['10h', '1s'])('has its own time in a drain of %s that it joins', async (timeout) => {
    const agent = await open({}, { drain: { timeout: '3s', quiet: '0s' } });
    await rig.signIn();
    const drain = told(agent.cli('drain', '--timeout', timeout));
    await agent.reaches('draining');
    const asked = performance.now();
    const { result } = await prestop();
    expect(result).toMatchObject({ code: 'done', phase: 'drained', forced: 1 });
    expect(performance.now() - asked).toBeGreaterThan(2_500);
    expect((await drain).json).toMatchObject({
      code: 'done',
      joined: [{ by: 'prestop', terms: { timeout: 3 } }],
    });
  });

  test('waits while an operator holds the node, and goes on after the release', async () => {
    const agent = await open();
    await told(agent.cli('hold', '--reason', 'look'));
    const hook = prestop();
    await until('it was refused', () => agent.log().includes('its drain is asked for again'));
    await told(agent.cli('release'));
    expect(await hook).toMatchObject({ status: 200, result: { ok: true, phase: 'drained' } });
  });

  test('drains an application that is unhealthy, and is answered where its start has failed', async () => {
    setRig(await openRig({ termMs: 50 }));
    const { node } = rig;
    const app = {
      probe: { http: { url: `${node.url}/health`, healthy: [204] }, every: '100ms', timeout: '1s' },
      start: { command: ['false'] },
      stop: { signal: { name: 'SIGTERM', pidFile: node.pidFile } },
    };
    const listen = { control: join(rig.dir, 'app1.sock'), hooks: await hooksPort() };
    const agent = await rig.sidecar({ sections: { app, listen } });
    await agent.reaches('unhealthy');
    const visitor = await rig.signIn();
    const hook = prestop();
    await agent.reaches('draining');
    expect(await visitor.click()).toMatchObject({ lost: false });
    await visitor.leave();
    expect(await hook).toMatchObject({ status: 200, result: { ok: true, phase: 'drained' } });
    await told(agent.cli('stop'));
    expect((await told(agent.cli('ready'))).json).toMatchObject({ code: 'app-health', phase: 'failed' });
    expect(await prestop()).toMatchObject({ status: 200, result: { ok: true } });
    expect(await rig.admin()).toBe('MAINT');
  });

  test('goes on over a new configuration', async () => {
    const agent = await open();
    const visitor = await rig.signIn();
    const hook = prestop();
    await agent.reaches('draining');
    const text = await readFile(join(rig.dir, 'app1.yaml'), 'utf8');
    const changed = JSON.parse(text) as { drain: object; listen: { hooks: { tokenFile: string } } };
    changed.drain = { timeout: '40s', quiet: '10ms' };
    await writeFile(join(rig.dir, 'app1.yaml'), JSON.stringify(changed));
    process.kill(agent.pid, 'SIGHUP');
    await until('the new one is in effect', () => agent.log().includes('has taken effect'));
    await visitor.leave();
    expect(await hook).toMatchObject({ status: 200, result: { ok: true, phase: 'drained' } });
  });

  test('100 at once are one operation', async () => {
    const agent = await open();
    const visitor = await rig.signIn();
    const hooks = Array.from({ length: 100 }, prestop);
    await waits(agent, 100);
    await visitor.leave();
    const ids = new Set((await Promise.all(hooks)).map(({ status, result }) => `${status} ${result.id}`));
    expect(ids.size).toBe(1);
    await agent.stop();
    expect(await begun()).toEqual(['drain by prestop']);
  });
});
