import type {
  Addresses,
  Admin,
  Capacity,
  Look,
  LookScope,
  Origin,
  Over,
  ServerView,
} from '../../../agent/lifecycle/model/observation.ts';
import type { Relative, Sibling, Survey, SurveyScope } from '../../../agent/lifecycle/model/survey.ts';
import type { Timeline } from './timeline.ts';

/** The state of one server in a simulated HAProxy. `by`: its writer, which the real one does not record. */
export interface SimServer {
  readonly name: string;
  admin: Admin;
  origin: Origin;
  /** What lies over its state and makes it MAINT or DRAIN, which no command ends. */
  over: { readonly admin: Admin; readonly by: Over['by'] } | null;
  /** This worker does not have it. */
  absent: boolean;
  /** Where a controller has made it lead. */
  movedTo?: string;
  /** What its agent-check shows, where it has one. */
  agent: string | null;
  by: 'us' | 'operator' | 'none';
  /** When it got this state. */
  since: number;
  up: boolean;
  /** An operator took its weight. */
  weightless?: boolean;
  serving: number;
  queued: number;
  total: number;
  errors: number;
  weight: number;
  /** Its writer sets no weight, and says so after this time; null: it sets it. */
  weightFailure: { readonly afterMs: number; readonly error: string } | null;
}

export type HaproxyMode = 'answers' | 'slow' | 'refuses' | 'silent';

/** A simulated HAProxy: it answers from the state it has when it comes to carry the command out. */
export interface SimHaproxy {
  readonly name: string;
  readonly servers: readonly SimServer[];
  pid: number;
  /** When this worker began. */
  bornAt: number;
  mode: HaproxyMode;
  others: number | null;
  sticky: string | null;
  hashed: string | null;
  standbys: readonly string[];
  relatives: readonly Relative[];
  /** The servers beside each server; null: `others` that are usable. */
  siblings: readonly Sibling[] | null;
  /** False: it fails to list them. */
  listsSiblings: boolean;
  /** False: it does not tell how many connections there are. */
  telling: boolean;
  /** False: its master does not answer, so the connections of old workers are unknown. */
  seesOldWorkers: boolean;
  /** Old workers that live and are not counted; null: they can neither be seen nor be counted. */
  uncounted: readonly number[] | null;
  /** How long the lists of its streams and of all its servers take, in milliseconds. */
  listMs: number;
  /** Carries `work` out and answers with what it gives, or fails; once only, within its driver's deadline. */
  exchange<T>(work: () => T, answer: (value: T) => void, fail: (error: string) => void): void;
  setMode(mode: HaproxyMode): void;
  /** Carries out what is in its socket: commands of a dead sidecar come before those of its successor. */
  settle(): void;
  /** A new worker; `stateFile`: it reads the states that the old one has written. Old connections are out of sight. */
  reload(stateFile: boolean): void;
  set(server: string, admin: Admin, by: 'us' | 'operator', origin?: Origin): void;
  look(scope?: LookScope): Look;
  /** @param before of a server that a reload has taken away only who asks can say where it was */
  survey(scope: SurveyScope, before?: Addresses): Survey;
  server(name: string): SimServer;
}

/** The drivers give up on a silent HAProxy after so long. */
const DEADLINE_MS = 2_000;

export function createHaproxy(time: Timeline, name: string, serverNames: readonly string[]): SimHaproxy {
  const servers = serverNames.map((server) => createServer(server, time.now));
  let stuck: (() => void)[] = [];
  const onTheWay = new Set<() => void>();

  const viewOf = (server: SimServer): ServerView => ({
    name: server.name,
    ...adminOf(server),
    operational: adminOf(server).admin !== 'maint' && server.up ? 'up' : 'down',
    connections: self.telling && self.seesOldWorkers ? server.serving : null,
    queued: self.telling ? server.queued : null,
    total: self.telling ? server.total : null,
    weight: server.weight,
    ...(server.weightless ? { weightless: true } : {}),
    counters: {
      connectionErrors: 0,
      responseErrors: server.errors,
      redispatches: 0,
      clientAborts: 0,
      http5xx: 0,
    },
    ...(server.agent !== null && { agent: server.agent }),
    ...(server.absent && {
      absent: `${server.name} was removed from HAProxy by a reload`,
      total: null,
      counters: null,
    }),
  });
  const pause = (): number => (self.mode === 'slow' ? time.between(100, 900) : time.between(0.2, 8));
  const capacityOf = ({ name: server }: SimServer): Capacity => ({
    name: server,
    role: 'active',
    usableOthers: self.others,
    usableBackups: self.standbys.length,
  });
  const beside = ({ name: server }: SimServer): Sibling[] =>
    Array.from({ length: self.others ?? 0 }, (_none, index) => ({
      name: `${server.split('/')[0] ?? ''}/other${index + 1}`,
      role: 'active',
      admin: 'ready',
      forced: 'ready',
      usable: true,
      couldServe: false,
      by: null,
    }));

  const addressOf = (server: string): string => `10.0.0.${servers.indexOf(self.server(server)) + 1}:8080`;
  const isSeen =
    (before: Addresses) =>
    ({ of, by }: Relative): boolean => {
      const { absent = false, movedTo } = servers.find(({ name: server }) => server === of) ?? {};
      const leadsHere = !absent && movedTo === undefined;
      return by === 'track' || leadsHere || before[of] === addressOf(of);
    };

  const self: SimHaproxy = {
    name,
    servers,
    pid: 100,
    bornAt: time.now,
    mode: 'answers',
    others: 2,
    sticky: null,
    hashed: null,
    standbys: [],
    relatives: [],
    siblings: null,
    listsSiblings: true,
    telling: true,
    seesOldWorkers: true,
    uncounted: [],
    listMs: 0,
    exchange(work, answer, fail) {
      let over = false;
      const end = (tell: () => void): void => {
        if (over) return;
        over = true;
        stopWaiting();
        tell();
      };
      const stopWaiting = time.after(DEADLINE_MS, () => end(() => fail('it did not answer (after 2000 ms)')));
      const carryOut = (): void => {
        if (self.mode === 'refuses') return end(() => fail('connection refused'));
        // A stopped process finds the command in its socket when it goes on, whether or not the caller still waits
        // for the answer.
        if (self.mode === 'silent') return void stuck.push(carryOut);
        const value = work();
        time.after(pause(), () => end(() => answer(value)));
      };
      const arrive = (): void => {
        cancel();
        onTheWay.delete(arrive);
        carryOut();
      };
      const cancel = time.after(pause(), arrive);
      onTheWay.add(arrive);
    },
    settle() {
      for (const arrive of onTheWay) arrive();
    },
    setMode(mode) {
      self.mode = mode;
      if (mode === 'silent') return;
      const waiting = stuck;
      stuck = [];
      for (const carryOut of waiting) carryOut();
    },
    reload(stateFile) {
      self.pid += 1;
      self.bornAt = time.now;
      for (const server of servers) {
        Object.assign(server, { serving: 0, queued: 0, total: 0, errors: 0 });
        if (!stateFile)
          Object.assign(server, { admin: 'ready', origin: 'none', by: 'none', since: time.now });
      }
    },
    set(server, admin, by, origin = 'forced') {
      const found = self.server(server);
      if (found.absent) return;
      // The same state once more changes nothing, and cannot be noticed.
      if (found.admin === admin) return;
      Object.assign(found, { admin, origin: admin === 'ready' ? 'none' : origin, by, since: time.now });
    },
    look: (scope = 'own') => ({
      worker: { pid: self.pid, bornAt: self.bornAt },
      workers: null,
      unseen: null,
      uncounted: self.uncounted,
      servers: servers.map(viewOf),
      addresses: Object.fromEntries(
        servers.filter((one) => !one.absent).map((one) => [one.name, one.movedTo ?? addressOf(one.name)]),
      ),
      ...(scope === 'capacity' && { capacity: servers.filter(({ absent }) => !absent).map(capacityOf) }),
    }),
    survey: (scope, before = {}) => ({
      ...self.look('capacity'),
      ...(scope === 'capacity' && { siblings: self.siblings ?? servers.flatMap(beside) }),
      facts: servers.map(({ name: server, admin, over, absent, up }) => ({
        name: server,
        role: 'active' as const,
        usableOthers: self.others,
        usable: !over && !absent && admin === 'ready' && up,
        standbys: self.standbys,
        missing: [],
        sticky: self.hashed === null ? self.sticky : null,
        hashed: self.hashed,
      })),
      relatives: scope === 'capacity' ? null : self.relatives.filter(isSeen(before)),
      foreignTables: [],
      blind: null,
      uncompared: [],
    }),
    server(wanted) {
      const found = servers.find((server) => server.name === wanted);
      if (!found) throw new Error(`the world has no server ${wanted}`);
      return found;
    },
  };
  return self;
}

/** MAINT hides DRAIN, DRAIN hides READY, as at the real one. */
export function adminOf({
  admin,
  origin,
  over,
  absent,
}: SimServer): Pick<ServerView, 'admin' | 'origin' | 'over'> {
  if (absent) return { admin: 'maint', origin: 'none' };
  const rank = { ready: 0, drain: 1, maint: 2 };
  if (!over || rank[over.admin] <= rank[admin]) return { admin, origin };
  const from = over.by === 'resolution' ? 'config' : 'inherited';
  return { admin: over.admin, origin: from, over: { by: over.by, forced: admin } };
}

function createServer(name: string, since: number): SimServer {
  return {
    name,
    admin: 'ready',
    origin: 'none',
    over: null,
    absent: false,
    agent: null,
    by: 'none',
    since,
    up: true,
    serving: 0,
    queued: 0,
    total: 0,
    errors: 0,
    weight: 1,
    weightFailure: null,
  };
}
