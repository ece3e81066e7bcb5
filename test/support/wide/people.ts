import type { Timeline } from '../world/timeline.ts';
import { type LbServer, shown, type SimLb } from './balancer.ts';
import type { SimApp } from './app.ts';
import type { Coverage } from './coverage.ts';

/** A user with a session in the application of one node, bound to one server by a cookie. */
export interface User {
  readonly lb: SimLb;
  readonly server: LbServer;
  readonly since: number;
}

/** The users of all nodes, and what they do. */
export interface People {
  readonly users: readonly User[];
  of(node: number): User[];
  /** New, at a server where HAProxy sends new users; `at`: at that one, if it does. */
  visit(at?: { readonly lb: SimLb; readonly server: LbServer }): void;
  /** One of them comes back to the server of the cookie. */
  click(which: number, lastsMs?: number): void;
  /** A user with an old cookie for that server begins a session there. @returns false: it takes none */
  slip(at: { readonly lb: SimLb; readonly server: LbServer }): boolean;
  /** One leaves for good. */
  leave(which: number): void;
  /** A request that waits in the queue first. */
  enqueue(which: number): void;
  /** The sessions of a node are gone with its application. */
  lose(node: number): void;
  clear(): void;
}

/** The first request of a user who slips in is over before the next look. */
const SLIPPED_MS = 0.1;

export function createPeople(
  time: Timeline,
  lbs: readonly SimLb[],
  apps: readonly SimApp[],
  coverage: Coverage,
): People {
  let users: User[] = [];

  const takes = ({ server }: { readonly server: LbServer }): boolean =>
    server.listed && server.up && !server.absent && apps[server.node]?.main != null;
  const isOut = ({ server }: Pick<User, 'server'>): boolean => shown(server).admin === 'maint';
  const serve = ({ lb, server }: Pick<User, 'lb' | 'server'>, lastsMs: number): void => {
    const one = { lb, server, since: time.now, worker: lb.generation, queued: false };
    lb.connections.add(one);
    coverage.meet('served');
    server.total += 1;
    server.lastAt = time.now;
    time.after(lastsMs, () => lb.connections.delete(one));
  };
  const bound = (which: number): User | undefined => users[which % Math.max(1, users.length)];

  return {
    get users() {
      return users;
    },
    of: (node) => users.filter(({ server }) => server.node === node),
    visit(at) {
      const places = lbs.flatMap((lb) => lb.servers.map((server) => ({ lb, server })));
      const place = at ?? time.pick(places);
      if (!place || shown(place.server).admin !== 'ready' || !takes(place)) return;
      if (apps[place.server.node]?.gated) return;
      users.push({ ...place, since: time.now });
      serve(place, time.between(5, 1_500));
    },
    click(which, lastsMs) {
      const user = bound(which);
      if (user && !isOut(user) && takes(user)) serve(user, lastsMs ?? time.between(5, 1_500));
    },
    slip(at) {
      if (isOut(at) || !takes(at) || apps[at.server.node]?.gated === true) return false;
      users.push({ ...at, since: time.now });
      serve(at, SLIPPED_MS);
      return true;
    },
    leave: (which) => void (users = users.filter((user) => user !== bound(which))),
    enqueue(which) {
      const user = bound(which);
      if (!user || isOut(user) || !takes(user)) return;
      const { lb, server } = user;
      const one = { lb, server, since: time.now, worker: lb.generation, queued: true };
      lb.connections.add(one);
      time.after(time.between(5, 800), () => {
        if (lb.connections.delete(one) && takes(user)) serve(user, time.between(5, 1_500));
      });
    },
    lose(node) {
      users = users.filter(({ server }) => server.node !== node);
      for (const lb of lbs)
        for (const one of lb.connections) if (one.server.node === node) lb.connections.delete(one);
    },
    clear: () => void (users = []),
  };
}
