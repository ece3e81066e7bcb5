import { afterEach, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { askHttp } from '../support/ask-http.ts';
import { freePort } from '../support/ports.ts';
import { type Agent, column, openRig, patience, type Rig } from '../support/rig.ts';
import { startStub } from '../support/stub-server.ts';
import { until } from '../support/until.ts';

/** HAProxy's pause between two agent-checks. */
const INTER_MS = 100;
const HTTP_CHECK = '  option httpchk GET /health\n';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
});

const WRITERS = ['runtime', 'agent-check'] as const;
const DEATHS = ['kill -9', 'SIGTERM'] as const;

interface Stage {
  readonly rig: Rig;
  /** A sidecar that answers HAProxy's agent-checks, and writes by them where it is the writer. */
  readonly start: () => Promise<Agent>;
  /** Ends the sidecar, after a last look at its lines. */
  readonly die: (agent: Agent, death: (typeof DEATHS)[number]) => Promise<void>;
  /** Every line that the running sidecar has ever answered; one that takes a server down fails the test. */
  readonly lines: () => Promise<string[]>;
  /** HAProxy's reports of app1 since it was first UP, one line for each change of its state. */
  readonly changes: () => string[];
  /** How often HAProxy has seen it go down since then. */
  readonly downs: () => Promise<number>;
}

/** app1 with a check of HAProxy's own (of its port by default) and an agent-check; app2 serves all users. */
async function stage(writer: (typeof WRITERS)[number], check = ''): Promise<Stage> {
  const [agentPort, metricsPort] = [await freePort(), await freePort()];
  const sibling = await startStub((_request, response) => void response.end('{"node":"app2"}'));
  open.push({ close: () => sibling.stop() });
  const rig = await openRig({
    server: `check inter 100ms rise 1 fall 2 agent-check agent-port ${agentPort} agent-inter ${INTER_MS}ms`,
    // On a busy machine an answer may be late, and late is not wrong.
    others: `  timeout check 5s\n${check}  server app2 127.0.0.1:${sibling.port} cookie app2\n`,
  });
  open.push(rig);
  // HAProxy is there before the application is.
  await until('UP by its own check', async () => (await statusOf(rig)) === 'UP');
  const downs = async (): Promise<number> => Number(await column(rig.haproxy, 'app', 1, 'chkdown'));
  const [downsBefore, logBefore] = [await downs(), rig.haproxy.log().length];
  const lines = async (): Promise<string[]> => {
    const { body } = await askHttp(metricsPort, { path: '/metrics' });
    const counted = body.matchAll(/^lastcall_agent_checks_total\{answer="(.*)"\} \d+$/gm);
    const said = Array.from(counted, ([, line = '']) => line);
    for (const line of said) expect(line).not.toMatch(/down|stopped|fail/);
    return said;
  };
  const sections = {
    app: { probe: { http: { url: `${rig.node.url}/health` }, every: '100ms', rise: 1, fall: 2 } },
    balancers: [{ haproxy: `unix:${rig.haproxy.socket}`, servers: ['app/app1'], writer }],
    listen: {
      agentCheck: { address: `127.0.0.1:${agentPort}`, allow: ['127.0.0.1/32'] },
      metrics: `127.0.0.1:${metricsPort}`,
      control: join(rig.dir, 'app1.sock'),
    },
  };
  return {
    rig,
    start: () => rig.sidecar({ sections }),
    async die(agent, death) {
      expect(await lines()).not.toEqual([]);
      await (death === 'SIGTERM' ? agent.stop() : agent.kill());
    },
    lines,
    changes: () =>
      rig.haproxy
        .log()
        .slice(logBefore)
        .split('\n')
        .filter((line) => line.includes('app/app1')),
    downs: async () => (await downs()) - downsBefore,
  };
}

async function statusOf(rig: Rig): Promise<string> {
  return (await column(rig.haproxy, 'app', 1, 'status')) ?? '';
}

/** HAProxy's own word for the last agent-check; a star stands before it while the next one is on its way. */
async function agentStatusOf(rig: Rig): Promise<string> {
  return ((await column(rig.haproxy, 'app', 1, 'agent_status')) ?? '').replace(/^\* /, '');
}

/** Where users without a cookie end up. */
async function newcomers(rig: Rig): Promise<string[]> {
  const nodes = new Set<string>();
  for (let n = 0; n < 4; n++) {
    nodes.add(((await (await fetch(rig.url)).json()) as { readonly node: string }).node);
  }
  return [...nodes].toSorted();
}

/** Looks again and again until HAProxy has asked the dead sidecar several times. */
async function whileDead(rig: Rig, look: () => Promise<void>): Promise<void> {
  await until('an agent-check is refused', async () => (await agentStatusOf(rig)) === 'L4CON');
  const end = performance.now() + 5 * INTER_MS;
  while (performance.now() < end) {
    await look();
    // Only L7STS, the answer of such a line, makes a server `DOWN (agent)`.
    expect(await agentStatusOf(rig)).toBe('L4CON');
  }
}

/** The application answers its health with 404 from now on, or with 200 again. */
async function sign(rig: Rig, way: 'out' | 'in'): Promise<void> {
  await (await fetch(`${rig.node.url}/sign-${way}`, { method: 'POST' })).text();
}

/** Accepted, and obeyed by HAProxy. */
async function drain(rig: Rig, { client }: Agent): Promise<string> {
  const answer = await client.submit({ operation: 'drain' }, patience());
  if (!answer.accepted) throw new Error(answer.result.message);
  await until('DRAIN at HAProxy', async () => (await statusOf(rig)).startsWith('DRAIN'));
  return answer.id;
}

const SERVED = { status: 200, node: 'app1', lost: false };

describe.each(WRITERS)('A dead sidecar (writer: %s) leaves no server down', (writer) => {
  test.each(DEATHS)('%s while it serves: UP, and users come and stay', async (death) => {
    const { rig, start, die, lines, changes, downs } = await stage(writer);
    const agent = await start();
    await agent.reaches('serving');
    await until('it says up', async () => (await lines()).includes('up'));
    const visitor = await rig.signIn();
    await die(agent, death);
    await whileDead(rig, async () => {
      expect(await statusOf(rig)).toBe('UP');
      expect(await newcomers(rig)).toEqual(['app1', 'app2']);
      expect(await visitor.click()).toEqual(SERVED);
    });
    expect(await downs()).toBe(0);
    expect(changes()).toEqual([]);
  });

  test('kill -9 while the application is unhealthy: HAProxy takes it back by its own check', async () => {
    const { rig, start, die, lines, changes, downs } = await stage(writer, HTTP_CHECK);
    const agent = await start();
    await agent.reaches('serving');
    await sign(rig, 'out');
    await agent.reaches('unhealthy');
    await until('it says nothing', async () => (await lines()).includes('neutral'));
    await until('DOWN by its own check', async () => (await statusOf(rig)) === 'DOWN');
    await die(agent, 'kill -9');
    await whileDead(rig, async () => expect(await statusOf(rig)).toBe('DOWN'));
    await sign(rig, 'in');
    await until('UP by its own check', async () => (await statusOf(rig)) === 'UP');
    expect(await newcomers(rig)).toEqual(['app1', 'app2']);
    expect(await downs()).toBe(1);
    expect(changes()).toEqual([
      expect.stringContaining('is DOWN, reason: Layer7 wrong status'),
      expect.stringContaining('is UP, reason: Layer7 check passed'),
    ]);
  });
});

describe('A dead sidecar whose word was agent-check', () => {
  test.each(DEATHS)('%s in a drain: DRAIN stays, its users too, and the next one ends it', async (death) => {
    const { rig, start, die, lines, changes, downs } = await stage('agent-check');
    const first = await start();
    await first.reaches('serving');
    await until('it says up', async () => (await lines()).includes('up'));
    const visitor = await rig.signIn();
    const id = await drain(rig, first);
    // The page of figures is made once a second.
    await until('it says drain', async () => (await lines()).includes('up drain'));
    await die(first, death);
    await whileDead(rig, async () => {
      expect(await statusOf(rig)).toMatch(/^DRAIN/);
      expect(await newcomers(rig)).toEqual(['app2']);
      expect(await visitor.click()).toEqual(SERVED);
    });
    const second = await start();
    await second.reaches('draining');
    expect(await visitor.click()).toEqual(SERVED);
    expect(await downs()).toBe(0);
    expect(changes()).toEqual([expect.stringContaining('enters drain state')]);
    await visitor.leave();
    expect(await second.ends(id)).toMatchObject({ ok: true, code: 'done', phase: 'drained' });
    expect(await statusOf(rig)).toMatch(/^MAINT/);
    await die(second, death);
  });

  test('kill -9 in a drain while the application is unhealthy: once it has recovered, DRAIN stands', async () => {
    const { rig, start, die, lines, downs } = await stage('agent-check', HTTP_CHECK);
    const first = await start();
    await first.reaches('serving');
    await until('it says up', async () => (await lines()).includes('up'));
    const visitor = await rig.signIn();
    const id = await drain(rig, first);
    await sign(rig, 'out');
    await until('it says drain without up', async () => (await lines()).includes('drain'));
    await until('DOWN by its own check', async () => (await statusOf(rig)).startsWith('DOWN'));
    await die(first, 'kill -9');
    await sign(rig, 'in');
    await until('DRAIN once more', async () => (await statusOf(rig)).startsWith('DRAIN'));
    await whileDead(rig, async () => {
      expect(await statusOf(rig)).toMatch(/^DRAIN/);
      expect(await visitor.click()).toEqual(SERVED);
    });
    expect(await downs()).toBe(1);
    const second = await start();
    await second.reaches('draining');
    await visitor.leave();
    expect(await second.ends(id)).toMatchObject({ ok: true, code: 'done', phase: 'drained' });
    await die(second, 'kill -9');
  });

  test('kill -9 while only our own probe is bad: it had no say in that, and HAProxy keeps it UP', async () => {
    const { rig, start, die, lines, changes, downs } = await stage('agent-check');
    const agent = await start();
    await agent.reaches('serving');
    await sign(rig, 'out');
    await agent.reaches('unhealthy');
    await until('it says nothing', async () => (await lines()).includes('neutral'));
    expect(await statusOf(rig)).toBe('UP');
    await die(agent, 'kill -9');
    await whileDead(rig, async () => expect(await statusOf(rig)).toBe('UP'));
    expect(await newcomers(rig)).toEqual(['app1', 'app2']);
    expect(await downs()).toBe(0);
    expect(changes()).toEqual([]);
  });
});
