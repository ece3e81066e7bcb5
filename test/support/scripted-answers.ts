import type { Code } from '../../agent/system/error.ts';
import { type HoldersReport, NO_FORECAST, type Forecast } from '../../agent/lifecycle/model/forecast.ts';
import type { PoolReport } from '../../agent/lifecycle/model/pool-report.ts';
import type {
  Joined,
  Phase,
  Request,
  Result,
  Status,
  StatusServer,
} from '../../agent/lifecycle/model/api.ts';

/** What a scripted service answers: the pool, the open connections, and a status and a result as an engine makes them. */

export const POOL: PoolReport = {
  at: '2026-01-01T00:00:00.000Z',
  lock: {
    pool: 'app',
    name: 'file /run/lock/app.lock',
    error: null,
    slots: 2,
    brake: 1,
    holders: [
      {
        node: 'app1',
        state: 'out',
        operation: 'restart',
        by: 'cli alice@host',
        reason: 'deploy 41',
        since: '2025-12-31T23:59:00Z',
        failure: null,
        alive: true,
      },
      {
        node: 'app2\u001b[2J',
        state: 'failed',
        operation: 'restart',
        by: 'schedule',
        reason: null,
        since: '2025-12-31T23:00:00Z',
        failure: 'it did not become healthy',
        alive: false,
      },
    ],
    waiters: [
      { node: 'app3', operation: 'stop', by: 'cli bob@host', reason: null, since: '2025-12-31T23:59:30Z' },
    ],
  },
  balancers: [
    {
      name: 'unix:/run/haproxy/admin.sock',
      error: null,
      servers: [
        { name: 'app/app1', status: 'MAINT', seconds: 61, connections: 0, queued: 0 },
        { name: 'app/app2', status: 'DOWN 1/2', seconds: null, connections: null, queued: 0 },
      ],
    },
    { name: 'agent-check lb4', error: 'it only polls, and shows no servers', servers: [] },
  ],
};

const OUTLOOK: Forecast = { eta: { seconds: 42, atMost: 1800 }, etaReason: null, curve: [8, 4, 2] };
const AT = { balancer: 'unix:/run/haproxy/admin.sock', server: 'app/app1' } as const;
export const HOLDERS: HoldersReport = {
  at: '2026-01-01T00:00:00.000Z',
  servers: [
    { ...AT, requests: 1, tunnels: 2, queued: 0, idle: 3, error: null },
    { ...AT, balancer: 'lb2', requests: null, tunnels: null, queued: null, idle: null, error: 'no answer' },
  ],
  oldest: [
    { ...AT, kind: 'tunnel', ageSeconds: 7_320, worker: 4_700 },
    { ...AT, kind: 'request', ageSeconds: 9, worker: 4_711 },
  ],
};
const SERVER = { name: 'app/app1', operational: 'up', queued: 0, neighbours: null } as const;

function ownershipOf(running: Request | null): Pick<StatusServer, 'owner' | 'found' | 'applied'> {
  if (running === null) return { owner: 'none', found: null, applied: null };
  return {
    owner: 'lastcall',
    found: 'ready',
    applied: { admin: 'drain', at: '2026-01-01T00:00:00.000Z', pid: 4711 },
  };
}

export function statusOf(
  node: string,
  phase: Phase,
  sessions: number | null,
  running: Request | null,
): Status {
  const admin = phase === 'serving' ? 'ready' : 'drain';
  return {
    node,
    phase,
    since: '2026-01-01T00:00:00.000Z',
    health: 'up',
    healthReason: null,
    hold: null,
    slot: null,
    operation: running && {
      id: running.id,
      operation: running.kind,
      by: running.by,
      reason: running.reason,
      seconds: 1,
      remaining: 60,
      onTimeout: 'restore',
    },
    balancers: [
      {
        name: 'unix:/run/haproxy/admin.sock',
        reachable: true,
        error: null,
        pid: 4711,
        workers: 1,
        waitsFor: [],
        servers: [{ ...SERVER, admin, connections: sessions, ...ownershipOf(running) }],
      },
    ],
    sessions: {
      total: sessions,
      sources: [{ name: 'http', count: sessions, at: '2026-01-01T00:00:00.000Z', every: 1, error: null }],
    },
    ...(phase === 'draining' ? OUTLOOK : NO_FORECAST),
    reasserts: { count: 0, slowestSeconds: 0 },
    waits: [],
    alarms: [],
  };
}

export function lineOf({ id, kind, by, reason }: Request): Joined {
  return { id, operation: kind, by, reason, terms: {} };
}

export function resultOf(request: Request, status: Status, code: Code): Result {
  return {
    ok: code === 'done',
    code,
    operation: request.kind,
    id: request.id,
    node: status.node,
    phase: status.phase,
    seconds: 12.3,
    reason: request.reason,
    forced: 0,
    balancers: [
      { name: 'unix:/run/haproxy/admin.sock', servers: [{ ...SERVER, admin: 'maint', connections: 0 }] },
    ],
    sessions: { start: 37, last: status.sessions.total, sources: [{ name: 'http', count: 0, error: null }] },
    reasserts: { count: 0, slowestSeconds: 0 },
    closed: { tunnels: 0, requests: 0 },
    receipt: { connectionErrors: 0, responseErrors: 0, redispatches: 0, clientAborts: 0, http5xx: 0 },
    warnings: [],
  };
}
