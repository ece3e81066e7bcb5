import { afterEach, describe, expect, test } from '@jest/globals';
import { type Agent, openRig, patience, type Rig, type RigOptions, told } from '../support/rig.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/until.ts';

let rig: Rig;
afterEach(() => rig.close());

async function open(options: RigOptions, warmUp: string): Promise<Agent> {
  rig = await openRig(options);
  return sidecar(warmUp);
}

const sidecar = (warmUp: string): Promise<Agent> =>
  rig.sidecar({ sections: { return: { timeout: '20s', warmUp } } });

/** The weight at HAProxy, by its own row. */
async function weight(): Promise<number> {
  const answer = await rig.haproxy.command('get weight app/app1');
  return Number(/^\d+/.exec(answer)?.[0]);
}

/** In the middle of a ramp of a quarter of a minute, past its first step. */
async function isRising(): Promise<boolean> {
  const now = await weight();
  return now > 6 && now < 70;
}

/** Every weight that HAProxy showed until `done`, each once. */
async function weightsUntil(done: Promise<unknown>): Promise<number[]> {
  const seen: number[] = [];
  let isOver = false;
  const over = done.finally(() => (isOver = true));
  await until('it is over', async () => {
    const now = await weight();
    if (seen.at(-1) !== now) seen.push(now);
    return isOver;
  });
  await over;
  return seen;
}

/**
 * The weights that were seen are some of `steps`, in their order, a lower one among them, and the last one. A test that stood
 * still may have missed a step: that each is taken is shown on the injected clock (test/lifecycle/phases/ramp.test.ts).
 */
function expectSteps(seen: readonly number[], steps: readonly number[]): void {
  const last = steps.at(-1) ?? 0;
  let left = steps;
  const areSteps = seen.every((one) => {
    const at = left.indexOf(one);
    left = left.slice(at + 1);
    return at >= 0;
  });
  const rises = seen.some((one) => one < last);
  expect({ seen, areSteps, rises, ends: seen.at(-1) }).toEqual({
    seen,
    areSteps: true,
    rises: true,
    ends: last,
  });
}

async function outAndReady(agent: Agent): Promise<string> {
  expect(await told(agent.cli('drain'))).toMatchObject({ code: 0 });
  const { json } = await told(agent.cli('ready', '--no-wait'));
  return json.id;
}

describe('After READY the weight rises', () => {
  test('from a low one in steps to what it was, and then ready is done', async () => {
    const agent = await open({}, '4s');
    await rig.haproxy.command('set server app/app1 weight 80');
    const begun = performance.now();
    const id = await outAndReady(agent);
    const seen = await weightsUntil(agent.ends(id));
    expect(await agent.ends(id)).toMatchObject({ ok: true, code: 'done', phase: 'serving', warnings: [] });
    expect(performance.now() - begun).toBeGreaterThan(4_000);
    expectSteps(seen, [80, 16, 32, 48, 64, 80]);
  });

  test.each([
    ['leastconn', 'balance leastconn'],
    ['random', 'balance random'],
    ['a consistent hash', 'balance uri\n  hash-type consistent'],
  ])('with %s', async (_name, balance) => {
    const agent = await open({ others: `  server app2 127.0.0.1:1 cookie app2\n  ${balance}\n` }, '2s');
    const id = await outAndReady(agent);
    expectSteps(await weightsUntil(agent.ends(id)), [100, 33, 67, 100]);
  });

  test("unless HAProxy's own slowstart does it: that is waited for", async () => {
    const agent = await open({ server: 'slowstart 2s' }, '10s');
    const begun = performance.now();
    const id = await outAndReady(agent);
    const seen = await weightsUntil(agent.ends(id));
    expect(await agent.ends(id)).toMatchObject({ ok: true, code: 'done', warnings: [] });
    expect(performance.now() - begun).toBeGreaterThan(2_000);
    expect(performance.now() - begun).toBeLessThan(9_000);
    expect(seen.filter((one) => one !== 100).length).toBeLessThan(2);
    expect(await weight()).toBe(100);
  });

  test('at once where HAProxy takes no other weight, and the result has the reason', async () => {
    const agent = await open({ others: '  server app2 127.0.0.1:1 cookie app2\n  balance source\n' }, '4s');
    const { json } = await told(agent.cli('drain', '--force', '--reason', 'a hash'));
    expect(json.code).toBe('done');
    const back = await told(agent.cli('ready'));
    expect(back).toMatchObject({ code: 0, json: { ok: true, phase: 'serving' } });
    expect(back.json.warnings.join()).toContain('static LB algorithm');
    expect(await weight()).toBe(100);
  });

  test('at once for a server of weight 1, which has no smaller one', async () => {
    const agent = await open({ server: 'weight 1' }, '4s');
    await told(agent.cli('drain'));
    const back = await told(agent.cli('ready'));
    expect(back).toMatchObject({ code: 0, json: { ok: true } });
    expect(back.json.warnings.join()).toContain('it has weight 1');
    expect(await weight()).toBe(1);
  });
});

describe('By agent-check as the writer', () => {
  const sections = (warmUp: string): Readonly<Record<string, unknown>> => {
    const haproxy = `unix:${rig.haproxy.operatorSocket}`;
    const balancers = [{ haproxy, writer: 'agent-check', servers: ['app/app1'] }];
    return { balancers, return: { timeout: '20s', warmUp } };
  };
  async function polled(balance: string, warmUp = '2s'): Promise<Agent> {
    const agentPort = await freePort();
    const server = `agent-check agent-inter 200ms agent-addr 127.0.0.1 agent-port ${agentPort}`;
    const others = `  server app2 127.0.0.1:1 cookie app2\n  ${balance}\n`;
    rig = await openRig({ server, others, agentPort });
    return rig.sidecar({ sections: sections(warmUp) });
  }

  test('the weight rises by percents of its line to what it was, which an operator had set', async () => {
    const agent = await polled('balance roundrobin');
    await rig.haproxy.command('set server app/app1 weight 80');
    const id = await outAndReady(agent);
    const seen = await weightsUntil(agent.ends(id));
    expect(await agent.ends(id)).toMatchObject({ ok: true, code: 'done', phase: 'serving', warnings: [] });
    expectSteps(seen, [80, 26, 53, 80]);
    await rig.haproxy.command('set server app/app1 weight 33');
    const { balancers } = await agent.client.status(patience());
    expect(balancers[0]?.servers[0]?.admin).toBe('ready');
    expect(await weight()).toBe(33);
  });

  test("an operator's weight stays, and ends it; a drain in the middle gives back what was found", async () => {
    const agent = await polled('balance roundrobin', '15s');
    const first = await outAndReady(agent);
    await until('it rises', isRising);
    await rig.haproxy.command('set server app/app1 weight 77');
    expect((await agent.ends(first)).warnings.join()).toContain('weight 77');
    expect(await weight()).toBe(77);
    const second = await outAndReady(agent);
    await until('it rises', isRising);
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
    expect(await agent.ends(second)).toMatchObject({ ok: false, code: 'cancelled' });
    await until('the weight is back', async () => (await weight()) === 77);
    expect(await rig.admin()).toContain('MAINT');
  });

  test('a crash of the sidecar in the middle ends with the weight that an operator had set, also where the next one has no ramp', async () => {
    const agent = await polled('balance roundrobin', '4s');
    await rig.haproxy.command('set server app/app1 weight 80');
    const id = await outAndReady(agent);
    await until('it rises', async () => (await weight()) > 10 && (await weight()) < 80);
    await agent.kill();
    const next = await rig.sidecar({ sections: sections('0s') });
    expect(await next.ends(id)).toMatchObject({ ok: true, code: 'done', phase: 'serving' });
    expect(await weight()).toBe(80);
  });

  test('the whole share comes at once where HAProxy takes no percent, and the result has the reason', async () => {
    const agent = await polled('balance static-rr');
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0 });
    const back = await told(agent.cli('ready'));
    expect(back).toMatchObject({ code: 0, json: { ok: true, phase: 'serving' } });
    expect(back.json.warnings.join()).toContain('HAProxy does not take 33% by its agent-check');
    expect(await weight()).toBe(100);
  });
});

describe('In the middle of it', () => {
  test("an operator's weight stays, and ends it", async () => {
    const agent = await open({}, '15s');
    const id = await outAndReady(agent);
    await until('it rises', isRising);
    await rig.haproxy.command('set server app/app1 weight 77');
    const result = await agent.ends(id);
    expect(result).toMatchObject({ ok: true, code: 'done', phase: 'serving' });
    expect(result.warnings.join()).toContain('weight 77');
    expect(await weight()).toBe(77);
  });

  test('a drain goes first: it begins at once, and the weight is given back behind it', async () => {
    const agent = await open({}, '15s');
    const id = await outAndReady(agent);
    await until('it rises', isRising);
    expect(await told(agent.cli('drain'))).toMatchObject({ code: 0, json: { phase: 'drained' } });
    expect(await agent.ends(id)).toMatchObject({ ok: false, code: 'cancelled' });
    await until('the weight is back', async () => (await weight()) === 100);
    expect(await rig.admin()).toBe('MAINT');
  });

  test('a crash of the sidecar goes on with it, and the weight is what it was', async () => {
    const agent = await open({}, '6s');
    const id = await outAndReady(agent);
    await until('it rises', async () => (await weight()) > 14 && (await weight()) < 100);
    // A look that was begun before READY was read back may come in later, and is what the status shows for a moment.
    await until('it says how far', async () =>
      /app\/app1 has weight \d+ of 100/.test((await agent.client.status(patience())).waits.join()),
    );
    await agent.kill();
    const next = await sidecar('0s');
    await next.reaches('serving');
    expect(await weight()).toBe(100);
    expect(await next.ends(id)).toMatchObject({ ok: true, code: 'done' });
  });

  test('a reload that forgets it does not end it', async () => {
    const agent = await open({ master: true }, '5s');
    const id = await outAndReady(agent);
    await until('it rises', async () => (await weight()) < 40);
    await rig.haproxy.reload();
    const seen = await weightsUntil(agent.ends(id));
    expect(Math.min(...seen)).toBeLessThan(90);
    expect(await agent.ends(id)).toMatchObject({ ok: true, code: 'done' });
    expect(await weight()).toBe(100);
  });

  test('an abort of a drain brings no ramp: what was found is put back, weight and all', async () => {
    const agent = await open({}, '10s');
    await rig.haproxy.command('set server app/app1 weight 60');
    const visitor = await rig.signIn();
    const { json } = await told(agent.cli('drain', '--no-wait'));
    await agent.reaches('draining');
    await agent.client.cancel(json.id, patience());
    expect(await agent.ends(json.id)).toMatchObject({ code: 'cancelled', phase: 'serving' });
    expect(await weight()).toBe(60);
    await visitor.leave();
  });
});
