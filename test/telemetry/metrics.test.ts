import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createMetricsServer } from '../../agent/telemetry/metrics-server.ts';
import { createMetrics, type Metrics } from '../../agent/telemetry/metrics.ts';
import type { Service } from '../../agent/engine/service.ts';
import type { Phase, Request, Result, Status } from '../../agent/lifecycle/model/api.ts';
import { realClock } from '../../agent/system/clock.ts';
import { createListenSockets } from '../../agent/system/listen-sockets.ts';
import { askHttp } from '../support/ask-http.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { freePort } from '../support/ports.ts';
import { memoryLog } from '../support/memory-log.ts';
import { findPromtool, type Promtool } from '../support/promtool.ts';
import { createScriptedService, type ScriptedService } from '../support/scripted-service.ts';
import { skipped } from '../support/skip.ts';

let promtool: Promtool;
beforeAll(async () => {
  promtool = await findPromtool();
}, 180_000);

let clock: ManualClock;
let inner: ScriptedService;
/** What the status differs in from the scripted one. */
let changes: Partial<Status>;
let metrics: Metrics;
beforeEach(async () => {
  clock = new ManualClock(1_000_000, new Date('2026-01-01T00:00:00Z'));
  inner = createScriptedService();
  inner.show('serving', 3);
  changes = {};
  const service: Service = { ...inner, status: () => ({ ...inner.status(), ...changes }) };
  metrics = await createMetrics(service, {
    clock,
    agentChecks: new Map([
      ['up', 7],
      ['up drain', 2],
      ['', 1],
    ]),
    healthChecks: null,
    scheduleRuns: { samples: () => [[{ do: 'restart', outcome: 'guard' }, 2]] },
    hookRuns: { samples: () => [[{ hook: 'hooks[0]', outcome: 'failed' }, 3]] },
  });
});

/** Samples of one metric, `labels value` each. */
async function samples(name: string): Promise<string[]> {
  const text = await metrics.text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => line.slice(name.length).trim());
}

const one = async (name: string, value: RegExp): Promise<string[]> =>
  (await samples(name)).filter((line) => value.test(line));

function request(id: string, kind: Request['kind']): Request {
  const terms = { timeoutMs: null, onTimeout: null, expiresMs: null };
  const plain = { force: false, fence: true, dryRun: false, isShutdown: false };
  return { id, kind, reason: null, by: 'test', ...terms, ...plain };
}

describe('The metrics', () => {
  test('name the phase, each source, each balancer and what was answered', async () => {
    expect(await one('lastcall_phase', /1$/)).toEqual(['{phase="serving"} 1']);
    expect((await samples('lastcall_phase')).length).toBe(13);
    expect(await samples('lastcall_sessions')).toEqual(['{source="http"} 3', '{source="connections"} 3']);
    expect(await samples('lastcall_balancer_up')).toEqual(['{balancer="unix:/run/haproxy/admin.sock"} 1']);
    expect(await samples('lastcall_agent_checks_total')).toEqual([
      '{answer="up"} 7',
      '{answer="up drain"} 2',
      '{answer="neutral"} 1',
    ]);
    expect(await samples('lastcall_schedule_runs_total')).toEqual(['{do="restart",outcome="guard"} 2']);
    expect(await samples('lastcall_hook_runs_total')).toEqual(['{hook="hooks[0]",outcome="failed"} 3']);
    expect(await samples('lastcall_reasserts_total')).toEqual(['0']);
    expect(await samples('lastcall_reassert_slowest_seconds')).toEqual([]);
    changes = { reasserts: { count: 4, slowestSeconds: 0.3 }, alarms: ['disk'] };
    expect(await samples('lastcall_reasserts_total')).toEqual(['4']);
    expect(await samples('lastcall_reassert_slowest_seconds')).toEqual(['0.3']);
    expect(await samples('lastcall_alarms')).toEqual(['1']);
  });

  test('have no sample for what is not known, and never a zero', async () => {
    inner.show('serving', null);
    expect(await samples('lastcall_sessions')).toEqual([]);
    const [known] = inner.status().balancers;
    if (!known) throw new Error('no balancer');
    const lost = { ...known, reachable: false, error: 'connection refused', servers: [] };
    changes = { balancers: [{ ...lost, error: null, pid: null, name: 'not asked yet' }, lost] };
    expect(await samples('lastcall_balancer_up')).toEqual(['{balancer="unix:/run/haproxy/admin.sock"} 0']);
    expect(await samples('lastcall_sessions')).toEqual([]);
    expect(await samples('lastcall_drain_age_seconds')).toEqual([]);
  });

  test('do not take one that only polls for a counter of connections', async () => {
    const [known] = inner.status().balancers;
    if (!known) throw new Error('no balancer');
    const [server] = known.servers;
    if (!server) throw new Error('no server');
    const poller = { ...known, name: 'agent-check/lb4', pid: null };
    changes = {
      balancers: [known, { ...poller, servers: [{ ...server, connections: null, queued: null }] }],
    };
    expect(await one('lastcall_sessions', /connections/)).toEqual(['{source="connections"} 3']);
    const dark = { ...known, reachable: false, pid: null, servers: [{ ...server, connections: null }] };
    changes = { balancers: [known, dark] };
    expect(await one('lastcall_sessions', /connections/)).toEqual([]);
  });

  test('count how operations end, refusals too, by what was asked and the code', async () => {
    await metrics.service.submit(request('op1', 'drain'));
    await metrics.service.submit(request('op2', 'stop'));
    inner.finish('done');
    inner.refuseNext('guard', 'no');
    await metrics.service.submit(request('op3', 'drain'));
    await metrics.service.submit(request('op4', 'drain'));
    inner.finish('done', { plan: ['nothing'] } as Partial<Result>);
    expect((await samples('lastcall_operations_total')).toSorted()).toEqual([
      '{operation="drain",code="done"} 1',
      '{operation="drain",code="guard"} 1',
      '{operation="stop",code="busy"} 1',
    ]);
  });

  test('say how long a drain took, once, and how old it is until the node comes back', async () => {
    const go = (phase: Phase, seconds: number): void => {
      clock.advance(seconds * 1_000);
      changes = { since: clock.wall().toISOString() };
      inner.show(phase, 0);
    };
    const age = () => samples('lastcall_drain_age_seconds');
    inner.show('serving', 0);
    await metrics.service.submit(request('op1', 'drain'));
    // The scripted operation is a second old when it is first seen.
    for (const [phase, seconds] of [
      ['settling', 9],
      ['fencing', 1],
      ['drained', 1],
      ['draining', 5],
      ['drained', 5],
      ['stopped', 5],
    ] as const) {
      go(phase, seconds);
    }
    expect(await samples('lastcall_drain_seconds_count')).toEqual(['1']);
    expect(await samples('lastcall_drain_seconds_sum')).toEqual([expect.stringMatching(/^1[0-9.]+$/)]);
    clock.advance(60_000);
    expect(Number((await age())[0])).toBeGreaterThanOrEqual(86);
    go('warming', 1);
    expect((await age()).length).toBe(1);
    go('returning', 1);
    expect(await age()).toEqual([]);
  });

  test('do not invent how long a drain took that a sidecar finds at its end', async () => {
    inner.show('drained', 0);
    expect(await samples('lastcall_drain_seconds_count')).toEqual(['0']);
    expect((await samples('lastcall_drain_age_seconds')).length).toBe(1);
  });

  test('are what Prometheus reads, by its own judgement', async () => {
    await metrics.service.submit(request('op1', 'stop'));
    inner.finish('done');
    if ('missing' in promtool) return skipped(promtool.missing);
    expect(await promtool.run(['check', 'metrics'], await metrics.text())).toEqual({ code: 0, output: '' });
  });
});

describe('The port of the metrics', () => {
  const sockets = createListenSockets(realClock);
  afterEach(() => sockets.close('all'));

  test('renders them once a second, however many ask, and tells of no failure twice', async () => {
    let rendered = 0;
    let fails = true;
    const counted: Metrics = {
      ...metrics,
      async text() {
        rendered += 1;
        if (fails) throw new Error('bug');
        return metrics.text();
      },
    };
    const place = { host: '127.0.0.1', port: await freePort() };
    const server = createMetricsServer(place, counted, { clock, log: memoryLog(), sockets });
    const port = await server.listen();
    const asked = (): Promise<unknown> => askHttp(port, { path: '/metrics' });
    await expect(asked()).rejects.toThrow();
    fails = false;
    await Promise.all(Array.from({ length: 20 }, asked));
    expect(rendered).toBe(2);
    clock.advance(1_000);
    await asked();
    expect(rendered).toBe(3);
  });

  test('has them at /metrics and nothing elsewhere', async () => {
    const server = createMetricsServer({ host: '127.0.0.1', port: 0 }, metrics, {
      clock,
      log: memoryLog(),
      sockets,
    });
    const port = await server.listen();
    const answer = await askHttp(port, { path: '/metrics?name=x' });
    expect(answer).toMatchObject({
      status: 200,
      body: expect.stringContaining('# TYPE lastcall_phase gauge'),
    });
    expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await askHttp(port, { path: '/' })).toMatchObject({ status: 404 });
  });
});
