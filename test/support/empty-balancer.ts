import type { Balancer } from '../../agent/balancers/balancer.ts';
import type { Admin, Look, ServerView } from '../../agent/lifecycle/model/observation.ts';

/** `lb1`, whose one server `app/app1` has no users, and which carries out every write at once. */
export function emptyBalancer(): Balancer {
  let admin: Admin = 'ready';
  const view = (): ServerView => ({
    name: 'app/app1',
    admin,
    origin: admin === 'ready' ? 'none' : 'forced',
    operational: 'up',
    connections: 0,
    queued: 0,
    total: 0,
    weight: 1,
    counters: null,
  });
  const look = (): Look => ({
    worker: { pid: 1, bornAt: 0 },
    workers: 1,
    unseen: null,
    uncounted: [],
    capacity: [{ name: 'app/app1', role: 'active', usableOthers: 1, usableBackups: 0 }],
    servers: [view()],
  });
  const fact = {
    name: 'app/app1',
    role: 'active',
    usableOthers: 1,
    standbys: [],
    missing: [],
    usable: true,
    sticky: 'stick table app',
    hashed: null,
  } as const;
  const more = { facts: [fact], relatives: [], foreignTables: [], blind: null, uncompared: [] };
  return {
    name: 'lb1',
    servers: ['app/app1'],
    counts: true,
    seesOldWorkers: true,
    look: () => Promise.resolve(look()),
    survey: () => Promise.resolve({ ...look(), ...more }),
    set: (_server, wanted) => ((admin = wanted), Promise.resolve(view())),
    holders: () => Promise.reject(new Error('not asked here')),
    closeSessions: () => Promise.reject(new Error('not asked here')),
  };
}
