import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Result, Status } from '../../agent/lifecycle/model/api.ts';
import { type Agent, openRig, patience, type Rig, type Visitor, told } from '../support/rig.ts';
import { until } from '../support/until.ts';

let rig: Rig;
let agent: Agent;
let visitor: Visitor;
beforeEach(async () => {
  rig = await openRig({ termMs: 50 });
  agent = await rig.sidecar();
});
afterEach(() => rig.close());

/** A drain that does not end before the visitor leaves. */
async function beginDrain(...words: readonly string[]): Promise<Result> {
  visitor = await rig.signIn();
  const { json } = await told(agent.cli('drain', '--no-wait', ...words));
  await until('DRAIN is read back', async () => {
    const { stdout } = await agent.cli('status').outcome;
    const { balancers } = JSON.parse(stdout) as Status;
    return balancers[0]?.servers[0]?.admin === 'drain';
  });
  return json;
}

describe('The verbs through a sidecar', () => {
  test('drain, stop, ready and restart do what they say, and each is 0 at once when it is so already', async () => {
    const drained = await told(agent.cli('drain', '--reason', 'deploy 41'));
    expect(drained).toMatchObject({
      code: 0,
      stderr: '',
      json: {
        code: 'done',
        operation: 'drain',
        phase: 'drained',
        reason: 'deploy 41',
        sessions: { last: 0 },
      },
    });
    expect(await rig.admin()).toBe('MAINT');
    expect(await rig.node.sessions()).toBe(0);
    const drainedAgain = await told(agent.cli('drain'));
    expect(drainedAgain).toMatchObject({ code: 0, json: { code: 'done', phase: 'drained' } });
    expect(drainedAgain.json.id).not.toBe(drained.json.id);

    expect(await told(agent.cli('stop'))).toMatchObject({ code: 0, json: { phase: 'stopped' } });
    expect(await rig.node.sessions()).toBeNull();
    expect(await told(agent.cli('stop'))).toMatchObject({
      code: 0,
      json: { code: 'done', phase: 'stopped' },
    });
    expect(await told(agent.cli('drain'))).toMatchObject({
      code: 0,
      json: { code: 'done', phase: 'stopped' },
    });

    expect(await told(agent.cli('ready'))).toMatchObject({ code: 0, json: { phase: 'serving' } });
    expect(await rig.admin()).toBe('no check');
    expect(await rig.node.sessions()).toBe(0);
    expect(await told(agent.cli('ready'))).toMatchObject({
      code: 0,
      json: { code: 'done', phase: 'serving' },
    });

    expect(await told(agent.cli('restart'))).toMatchObject({
      code: 0,
      json: { phase: 'serving' },
    });
    expect(await rig.admin()).toBe('no check');
    expect(await rig.terms()).toBe(2);
  });

  test('status says who keeps the server out, what is under way, and how many are left', async () => {
    const { id } = await beginDrain('--reason', 'deploy 41', '--timeout', '20s');
    const { code, stdout } = await agent.cli('status').outcome;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      node: 'app1',
      phase: 'draining',
      operation: { id, operation: 'drain', reason: 'deploy 41', onTimeout: 'restore' },
      balancers: [
        {
          reachable: true,
          servers: [{ name: 'app/app1', admin: 'drain', operational: 'up', owner: 'lastcall' }],
        },
      ],
      sessions: { total: 1, sources: [{ count: 1, error: null }] },
    });
    await visitor.leave();
    await agent.ends(id);
  });

  test('fifty drains at once are one operation, and each caller has a result of its own', async () => {
    visitor = await rig.signIn();
    const words = { operation: 'drain', by: 'test' } as const;
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => agent.client.submit(words, patience())),
    );
    const ids = answers.map((answer) => (answer.accepted ? answer.id : answer.result.code));
    expect(new Set(ids).size).toBe(50);
    const [first, ...more] = answers.flatMap((answer) =>
      answer.accepted && !answer.joined ? answer.id : [],
    );
    expect(more).toEqual([]);
    const joined = answers.flatMap((answer) => (answer.accepted ? (answer.joins ?? []) : []));
    expect(joined).toEqual(Array.from({ length: 49 }, () => first));
    const waiting = agent.plain('drain');
    await waiting.said('drain joined');
    await visitor.leave();
    for (const id of ids)
      expect(await agent.ends(id)).toMatchObject({ id, ok: true, code: 'done', phase: 'drained' });
    const { code, stdout } = await waiting.outcome;
    expect(code).toBe(0);
    expect(stdout).toContain('joined what was under way\n');
  });

  test('a fenced drain that joins one without a fence fences it, and status shows its terms', async () => {
    const drain = await beginDrain('--no-fence', '--timeout', '30s');
    const waiting = agent.plain('drain', '--on-timeout', 'force', '--reason', 'preStop');
    await waiting.said('drain joined');
    await visitor.leave();
    const { code, stdout } = await waiting.outcome;
    expect(code).toBe(0);
    expect(stdout).toContain('joined what was under way; from then on: fenced, on timeout force');
    expect(await rig.admin()).toBe('MAINT');
    expect(await agent.ends(drain.id)).toMatchObject({
      phase: 'drained',
      joined: [{ operation: 'drain', reason: 'preStop', terms: { fence: true, onTimeout: 'force' } }],
    });
  });

  test('the id of a caller who joined withdraws that caller alone, over a kill -9 too', async () => {
    const drain = await beginDrain();
    const waiting = agent.plain('drain');
    await waiting.said('drain joined');
    const joined = await told(agent.cli('drain', '--no-wait'));
    expect(joined.json).toMatchObject({ joined: true, joins: drain.id });
    await agent.kill();
    agent = await rig.sidecar();
    await agent.reaches('draining');
    expect(await agent.client.cancel(joined.json.id, patience())).toBe('cancelling');
    expect(await agent.ends(joined.json.id)).toMatchObject({ code: 'cancelled', phase: 'draining' });
    expect(await rig.admin()).toBe('DRAIN');
    await visitor.leave();
    expect((await waiting.outcome).code).toBe(0);
    expect(await agent.ends(drain.id)).toMatchObject({ code: 'done', phase: 'drained' });
  });

  test('a stop takes a running drain over, and each caller gets its own end', async () => {
    const drain = await beginDrain();
    const stopping = agent.plain('stop');
    await stopping.said('stop accepted');
    const weaker = agent.plain('drain');
    await weaker.said('drain joined');
    await visitor.leave();
    expect((await stopping.outcome).code).toBe(0);
    expect((await weaker.outcome).code).toBe(0);
    expect(await agent.ends(drain.id)).toMatchObject({ ok: true, operation: 'drain' });
    expect(await rig.terms()).toBe(1);
  });

  test('another deadline for the running drain is a new deadline, not a second drain', async () => {
    const drain = await beginDrain('--timeout', '30s');
    const { code, json } = await told(agent.cli('drain', '--timeout', '300ms'));
    expect(json).toMatchObject({ code: 'deadline', joined: [{ id: json.id, terms: { timeout: 0.3 } }] });
    expect(await agent.ends(drain.id)).toMatchObject({ code: 'deadline' });
    expect(code).toBe(124);
    expect(await rig.admin()).toBe('no check');
  });

  test('a drain during the return is busy, and names the operation', async () => {
    await told(agent.cli('stop'));
    // The application cannot come up while its port is taken.
    const squatter = createServer().listen(rig.node.port, '127.0.0.1');
    const { json } = await told(agent.cli('ready', '--no-wait', '--timeout', '20s', '--reason', 'deploy 41'));
    const refused = await told(agent.cli('drain'));
    squatter.close();
    expect(refused).toMatchObject({ code: 75, json: { ok: false, code: 'busy', phase: 'warming' } });
    expect(refused.stderr).toContain(json.id);
    expect(refused.stderr).toContain('deploy 41');
  });

  test('ready during a drain cancels it and puts back exactly what was found', async () => {
    await rig.haproxy.command('set server app/app1 weight 50%');
    const before = await rig.states();
    const drain = await beginDrain();
    expect(await rig.states()).not.toBe(before);
    expect(await told(agent.cli('ready'))).toMatchObject({
      code: 0,
      json: { ok: true, operation: 'ready', phase: 'serving' },
    });
    expect(await agent.ends(drain.id)).toMatchObject({ ok: false, code: 'cancelled', operation: 'drain' });
    expect(await rig.states()).toBe(before);
    expect(await visitor.click()).toMatchObject({ node: 'app1', lost: false });
  });

  test('DELETE cancels and restores; the caller who waits gets exit code 1', async () => {
    const before = await rig.states();
    const { id } = await beginDrain();
    const waiting = agent.plain('drain');
    await waiting.said('drain joined');
    expect(await agent.client.cancel(id, patience())).toBe('cancelling');
    expect(await waiting.outcome).toMatchObject({ code: 1, stderr: expect.stringContaining('cancelled by') });
    expect(await agent.ends(id)).toMatchObject({ id, code: 'cancelled', phase: 'serving' });
    expect(await rig.states()).toBe(before);
    expect(await agent.client.cancel(id, patience())).toBe('unknown');
  });

  test('--no-wait gives the id at once, by which the result is found', async () => {
    const { id } = await beginDrain();
    expect(await agent.client.operation(id, patience())).toEqual({ state: 'running' });
    await visitor.leave();
    expect(await agent.ends(id)).toMatchObject({ id, ok: true });
    expect(await agent.client.operation('never-seen', patience())).toBeUndefined();
  });

  test.each(['drain', 'stop', 'restart', 'ready'])(
    '%s --dry-run says the steps and changes nothing',
    async (verb) => {
      const before = await rig.states();
      const { code, json } = await told(agent.cli(verb, '--dry-run'));
      expect({ code, phase: json.phase }).toEqual({ code: 0, phase: 'serving' });
      expect(json.plan?.join('\n')).toContain(verb === 'ready' ? 'READY' : 'DRAIN');
      expect(await rig.states()).toBe(before);
      expect(await rig.terms()).toBe(0);
      expect(await agent.client.status(patience())).toMatchObject({ phase: 'serving', operation: null });
    },
  );

  test('--no-fence leaves it in DRAIN at zero; a plain drain after it puts up the fence', async () => {
    expect(await told(agent.cli('drain', '--no-fence'))).toMatchObject({
      code: 0,
      json: { phase: 'drained' },
    });
    expect(await rig.admin()).toBe('DRAIN');
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
    expect(await rig.admin()).toBe('MAINT');
  });

  test('a sticky user who comes back to a node in DRAIN is served there, and waited for', async () => {
    await told(agent.cli('drain', '--no-fence'));
    visitor = await rig.signIn();
    await agent.reaches('draining');
    await visitor.leave();
    await agent.reaches('drained');
    expect(await rig.admin()).toBe('DRAIN');
  });

  test('ready while the application is being stopped waits for the stop, then starts it', async () => {
    await rig.close();
    rig = await openRig({ termMs: 700 });
    agent = await rig.sidecar();
    const met = agent.reaches('stopping');
    const stopping = told(agent.cli('stop'));
    await met;
    const returning = told(agent.cli('ready'));
    expect(await stopping).toMatchObject({ code: 0, json: { ok: true, operation: 'stop' } });
    expect(await returning).toMatchObject({
      code: 0,
      json: { ok: true, operation: 'ready', phase: 'serving' },
    });
    expect(await rig.admin()).toBe('no check');
    expect(await rig.terms()).toBe(1);
  });

  test('expires undoes a forgotten drain', async () => {
    await told(agent.cli('drain', '--expires', '1s'));
    await agent.reaches('serving');
    expect(await rig.admin()).toBe('no check');
  });
});
