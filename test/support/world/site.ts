import type { Phase } from '../../../agent/lifecycle/model/api.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import type { Proof } from '../../../agent/lifecycle/model/observation.ts';
import { createHaproxy, type SimHaproxy, type SimServer, adminOf } from './haproxy.ts';
import type { Timeline } from './timeline.ts';

interface ServerPlace {
  readonly balancer: SimHaproxy;
  readonly server: SimServer;
}

/** A user with a session in the application, bound to one server by a cookie. */
type SimUser = ServerPlace;

export interface ThrownOut {
  readonly server: string;
  readonly users: number;
  /** lastcall's phase at that write, and its operation. */
  readonly phase: Phase;
  readonly operation: string | null;
}

/** Everything outside lastcall: balancers, the application, its users. */
export interface SimSite {
  readonly balancers: readonly SimHaproxy[];
  readonly app: {
    alive: boolean;
    pid: number;
    stop: 'works' | 'fails';
    start: 'works' | 'fails' | 'unhealthy';
    /** The most that a start takes, in milliseconds; the least is a tenth of it. */
    startMs: number;
    /** Of the machine: what its systemd answers. */
    reboot: 'asked' | 'refused';
    healthy: boolean;
    /** Processes that a stop has left, and that have not ended. */
    left: number[];
    /** It refuses new sessions. */
    gated: boolean;
  };
  /** Sources that fail at present. */
  readonly failing: Set<string>;
  readonly users: SimUser[];
  /**
   * Times that lastcall wrote MAINT over READY while users were bound to the server: they are moved to other nodes.
   */
  readonly thrownOut: ThrownOut[];
  proof(): Proof;
  balancer(name: string): SimHaproxy;
  /** All that can be counted: connections of the current workers, and sessions. */
  connections(): number;
  /** A new user, at this server or at any. */
  visit(where?: ServerPlace): void;
  click(): void;
  leave(): void;
  /** A request that waits in the server's queue before it is served. */
  enqueue(): void;
  die(): void;
  revive(healthy?: boolean): void;
}

export function createSite(time: Timeline, policy: Policy): SimSite {
  const balancers = policy.balancers.map(({ name, servers }) => createHaproxy(time, name, servers));
  const places = balancers.flatMap((balancer) => balancer.servers.map((server) => ({ balancer, server })));
  const users: SimUser[] = [];
  const app: SimSite['app'] = {
    alive: true,
    pid: 1000,
    stop: 'works',
    start: 'works',
    startMs: 800,
    reboot: 'asked',
    healthy: true,
    left: [],
    gated: false,
  };

  const serve = ({ balancer, server }: SimUser): void => {
    const { pid } = balancer;
    server.serving += 1;
    server.total += 1;
    time.after(time.between(5, 1500), () => {
      if (balancer.pid === pid && server.serving > 0) server.serving -= 1;
    });
  };
  const isUsable = ({ server }: SimUser): boolean => server.up && app.alive;
  const check = (up: boolean): void => {
    for (const { server } of places) {
      time.after(time.between(50, 1000), () => {
        if ((app.alive && app.healthy) === up) server.up = up;
      });
    }
  };

  const site: SimSite = {
    balancers,
    app,
    failing: new Set(),
    users,
    thrownOut: [],
    proof: () => ({ pid: app.pid, startTime: `${app.pid}00` }),
    balancer(name) {
      const found = balancers.find((balancer) => balancer.name === name);
      if (!found) throw new Error(`the world has no balancer ${name}`);
      return found;
    },
    connections: () => places.reduce((sum, { server }) => sum + server.serving + server.queued, 0),
    visit(where) {
      const place = where ?? time.pick(places);
      if (!place || adminOf(place.server).admin !== 'ready' || !isUsable(place) || app.gated) return;
      users.push(place);
      serve(place);
    },
    click() {
      const user = time.pick(users);
      if (user && adminOf(user.server).admin !== 'maint' && isUsable(user)) serve(user);
    },
    leave: () => void users.splice(Math.floor(time.random() * users.length), 1),
    enqueue() {
      const user = time.pick(users);
      if (!user || adminOf(user.server).admin === 'maint' || !isUsable(user)) return;
      const { pid } = user.balancer;
      user.server.queued += 1;
      time.after(time.between(5, 800), () => {
        if (user.balancer.pid !== pid || user.server.queued === 0) return;
        user.server.queued -= 1;
        if (app.alive) serve(user);
      });
    },
    die() {
      Object.assign(app, { alive: false, healthy: false, gated: false });
      users.length = 0;
      for (const { server } of places) {
        server.errors += server.serving;
        server.serving = 0;
      }
      check(false);
    },
    revive(healthy = true) {
      if (!app.alive) app.pid += 1;
      Object.assign(app, { alive: true, healthy });
      check(healthy);
    },
  };
  return site;
}
