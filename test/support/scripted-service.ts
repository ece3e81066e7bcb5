import type { Code } from '../../agent/system/error.ts';
import type { DirectService } from '../../agent/cli/ports.ts';
import type { Listener, Submitted } from '../../agent/engine/service.ts';
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

/**
 * A service that does what the test sets, and nothing by itself: it replaces the engine, so that control and the
 * command line are tried alone. It keeps the promises that they rely on: one operation at a time, the same one is
 * joined under an id of one's own, a listener is called for every change.
 */
export interface ScriptedService extends DirectService {
  /** What was handed in, in order. */
  readonly requests: readonly Request[];
  /** The cancelled ones, `ID by CALLER`. */
  readonly cancelled: readonly string[];
  readonly closed: boolean;
  readonly listeners: number;
  /** How often the open connections were asked for. */
  readonly holdersAsked: number;
  /** The next request is refused with this code. */
  refuseNext(code: Code, message: string): void;
  /** The next submission fails with this error, and until then the open connections are refused. */
  failNext(error: Error): void;
  /** The stop has been issued: nothing can be cancelled any more. */
  tooLate(): void;
  show(phase: Phase, sessions: number | null): void;
  /** Ends the running operation. */
  finish(code: Code, more?: Partial<Result>): void;
  /** Resolves when this many requests were handed in. */
  submitted(count: number): Promise<void>;
}

/** What `openControl` waits for: this service knows its operations from the beginning. */
export const ready = Promise.resolve();

export function createScriptedService(node = 'app1'): ScriptedService {
  const requests: Request[] = [];
  const cancelled: string[] = [];
  const results = new Map<string, Result>();
  const listeners = new Set<Listener>();
  const waiting = new Set<() => void>();
  let refusal: { code: Code; message: string } | null = null;
  let failure: Error | null = null;
  let running: Request | null = null;
  let joiners: readonly Request[] = [];
  let late = false;
  let closed = false;
  let holdersAsked = 0;
  let status = statusOf(node, 'serving', 0, null);

  const show = (phase: Phase, sessions: number | null): void => {
    status = statusOf(node, phase, sessions, running);
    for (const listener of listeners) listener.status(status);
  };
  const finish = (code: Code, more: Partial<Result> = {}): void => {
    if (running === null) throw new Error('nothing runs');
    const joined = joiners.map(lineOf);
    const ended = [
      ...joiners.map((one) => ({ ...resultOf(one, status, code), joined: [lineOf(one)], ...more })),
      { ...resultOf(running, status, code), ...(joined.length > 0 && { joined }), ...more },
    ];
    running = null;
    joiners = [];
    show(more.phase ?? status.phase, status.sessions.total);
    for (const result of ended) {
      results.set(result.id, result);
      for (const listener of listeners) listener.result(result);
    }
  };
  const accept = (request: Request): Submitted => {
    if (refusal !== null) {
      const { code, message } = refusal;
      refusal = null;
      return { accepted: false, result: { ...resultOf(request, status, code), message } };
    }
    if (running === null) {
      running = request;
      show('draining', status.sessions.total);
      return { accepted: true, id: request.id, joined: false };
    }
    if (running.kind === request.kind) {
      joiners = [...joiners, request];
      return { accepted: true, id: request.id, joined: true, joins: running.id };
    }
    const message = `${running.kind} by ${running.by} is running`;
    return { accepted: false, result: { ...resultOf(request, status, 'busy'), message } };
  };

  return {
    // As a node whose pool has no slot of that name.
    unlock: async ({ node: freed }) => ({
      ok: true,
      code: 'done',
      node: freed,
      message: `${freed} holds no slot at file /run/lock/lastcall/app`,
    }),
    requests,
    cancelled,
    get closed() {
      return closed;
    },
    get listeners() {
      return listeners.size;
    },
    refuseNext: (code, message) => void (refusal = { code, message }),
    failNext: (error) => void (failure = error),
    tooLate: () => void (late = true),
    show,
    finish,
    async submitted(count) {
      while (requests.length < count) await new Promise<void>((resolve) => waiting.add(resolve));
    },
    async submit(request) {
      requests.push(request);
      for (const wake of waiting) wake();
      waiting.clear();
      if (failure !== null) {
        const error = failure;
        failure = null;
        throw error;
      }
      return accept(request);
    },
    result: (id) =>
      results.get(id) ?? (running?.id === id || joiners.some((one) => one.id === id) ? 'running' : undefined),
    cancel(id, by) {
      if (running?.id !== id) return 'unknown';
      if (late) return 'too-late';
      cancelled.push(`${id} by ${by}`);
      show('returning', status.sessions.total);
      return 'cancelling';
    },
    status: () => status,
    get holdersAsked() {
      return holdersAsked;
    },
    async holders() {
      holdersAsked += 1;
      if (failure !== null) throw failure;
      return HOLDERS;
    },
    async pool() {
      if (failure !== null) throw failure;
      return POOL;
    },
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      closed = true;
    },
  };
}

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

function statusOf(node: string, phase: Phase, sessions: number | null, running: Request | null): Status {
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

function lineOf({ id, kind, by, reason }: Request): Joined {
  return { id, operation: kind, by, reason, terms: {} };
}

function resultOf(request: Request, status: Status, code: Code): Result {
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
