import type { Admin, Capacity, Origin, ServerView } from '../../../agent/lifecycle/model/observation.ts';
import type { Sibling } from '../../../agent/lifecycle/model/survey.ts';
import type { Timeline } from '../world/timeline.ts';
import { createLine, type Mode } from './line.ts';
import {
  HARD_STOP_MS,
  isUsable,
  NEW_WEIGHT,
  shown,
  siblingOf,
  type Connection,
  type LbServer,
  type SimLb,
} from './balancer.ts';

/** The simulated HAProxy of a wide campaign. */

/** As in `sameWorker` (agent/lifecycle/model/observation.ts): HAProxy tells its uptime in whole seconds. */
const TWINS_MS = 3_000;

export function createLb(
  time: Timeline,
  name: string,
  { polls, hasMaster }: { readonly polls: boolean; readonly hasMaster: boolean },
  modes: { readonly start: Mode; readonly tellsElapsed: boolean },
): SimLb {
  const servers: LbServer[] = [];
  const connections = new Set<Connection>();
  let written: { name: string; admin: Admin; origin: Origin; by: LbServer['by']; weight: number }[] = [];

  const at = (server: LbServer): { serving: number; queued: number } => {
    const here = { serving: 0, queued: 0 };
    for (const one of connections)
      if (one.server === server && (self.hasMaster || one.worker === self.generation))
        here[one.queued ? 'queued' : 'serving'] += 1;
    return here;
  };
  const ofCurrent = (server: LbServer): number =>
    [...connections].filter((one) => one.server === server && one.worker === self.generation && !one.queued)
      .length;
  const viewOf = (server: LbServer): ServerView => {
    const { serving, queued } = at(server);
    const knows = self.telling && !polls;
    const state = shown(server);
    const isCounted = knows && (!self.hasMaster || self.masterAnswers);
    return {
      name: server.name,
      ...state,
      operational: state.admin !== 'maint' && server.up ? 'up' : 'down',
      connections: isCounted ? serving : null,
      ...(knows && !isCounted && { atLeast: ofCurrent(server) }),
      queued: knows ? queued : null,
      total: knows && !server.absent ? server.total : null,
      weight: polls ? null : server.weight,
      counters: null,
      ...(server.absent && { absent: `${server.name} was removed from HAProxy by a reload` }),
    };
  };
  /** The servers of other nodes in its backend. */
  const besides = (server: string): LbServer[] => {
    const backend = server.split('/')[0];
    const { node } = self.server(server);
    return servers.filter(
      (other) => other.node !== node && other.listed && other.name.split('/')[0] === backend,
    );
  };
  const capacityOf = (server: string): Capacity => ({
    name: server,
    role: 'active',
    usableOthers: self.usableOthers(server),
    usableBackups: 0,
  });
  const strangers = (server: string): Sibling[] =>
    Array.from({ length: self.others ?? 0 }, (_none, index) => ({
      name: `${server.split('/')[0] ?? ''}/other${index + 1}`,
      role: 'active',
      admin: 'ready',
      forced: 'ready',
      usable: true,
      couldServe: false,
      by: null,
    }));
  const forget = (server: LbServer): void => {
    const weight = { ...NEW_WEIGHT, weightSince: time.now };
    Object.assign(server, { admin: 'ready', origin: 'none', by: 'none', since: time.now, ...weight });
  };
  const replaced = (): void => {
    self.generation += 1;
    self.bornAt = time.now;
    for (const server of servers) Object.assign(server, { total: 0, errors: 0 });
  };

  const self: SimLb = {
    line: createLine(time, modes),
    name,
    servers,
    connections,
    polls,
    told: new Map(),
    pid: 100,
    bornAt: time.now - 3_600_000,
    isTwin: false,
    generation: 1,
    others: 2,
    othersSince: time.now - 3_600_000,
    telling: true,
    denies: false,
    slips: false,
    hasMaster,
    masterAnswers: true,
    snapshot() {
      written = servers.map(({ name: server, ...state }) => {
        const { admin, origin, by, weight } = state;
        return { name: server, admin, origin, by, weight };
      });
    },
    reload(keepsState) {
      self.pid += 1;
      self.isTwin = false;
      const old = self.generation;
      replaced();
      if (!keepsState) servers.forEach(forget);
      time.after(HARD_STOP_MS, () => {
        for (const one of connections) if (one.worker <= old) connections.delete(one);
      });
    },
    restart(samePid, keepsState) {
      if (!samePid) self.pid += 1;
      self.isTwin = samePid && time.now - self.bornAt <= TWINS_MS;
      replaced();
      connections.clear();
      // What an older file brings back under an operator's state cannot be distinguished from the operator's.
      const back = servers.filter(({ by }) => by === 'operator').map((one) => one.name);
      servers.forEach(forget);
      if (!keepsState) return;
      for (const { name: server, ...state } of written) {
        // Nor is a state of an outing that is over, unless this one has written it too.
        const isOlder = state.by === 'us' && !self.server(server).said.has(state.admin);
        const isOperators = (isOlder || back.includes(server)) && state.admin !== 'ready';
        const by = isOperators ? 'operator' : state.by;
        Object.assign(self.server(server), { ...state, by, since: time.now, restWeight: null });
      }
    },
    set(server, admin, by) {
      const found = self.server(server);
      if (by === 'operator') found.touchedAt = time.now;
      if (by === 'us') {
        self.told.set(server, admin);
        if (admin === 'ready') found.said.clear();
        else found.said.add(admin);
      }
      if (found.admin === admin || found.absent) return;
      Object.assign(found, { admin, origin: admin === 'ready' ? 'none' : 'forced', by, since: time.now });
    },
    weigh(server, weight, by) {
      const found = self.server(server);
      if (by === 'operator') found.restWeight = weight;
      Object.assign(found, { weight, weightBy: by, weightSince: time.now });
    },
    server(wanted) {
      const found = servers.find((server) => server.name === wanted);
      if (!found) throw new Error(`${name} has no server ${wanted}`);
      return found;
    },
    usableOthers(server) {
      if (self.others === null) return null;
      const { node, backend } = self.server(server);
      let usable = self.others;
      for (const other of servers)
        if (other.node !== node && other.backend === backend && isUsable(other)) usable += 1;
      return usable;
    },
    // Fields that other branches add to a look are here already: a variable may have more than its type.
    look(names, scope = 'own') {
      const uncounted = self.hasMaster ? [] : null;
      const tells = scope === 'capacity' && !polls;
      const look = {
        ...(tells && { capacity: names.filter((server) => self.server(server).listed).map(capacityOf) }),
        worker: polls ? null : { pid: self.pid, bornAt: self.bornAt },
        workers: null,
        unseen: null,
        uncounted,
        servers: names.map((server) => viewOf(self.server(server))),
      };
      return look;
    },
    survey(names, scope = 'all') {
      const facts = names.map((server) => {
        const usable = isUsable(self.server(server));
        const usableOthers = polls ? null : self.usableOthers(server);
        const more = { role: 'active' as const, standbys: [], missing: [], hashed: null };
        return { name: server, usableOthers, usable, sticky: null, ...more };
      });
      const survey = { relatives: null, foreignTables: [], blind: null, uncompared: [], facts };
      if (scope !== 'capacity') return { ...self.look(names), ...survey };
      const siblings = names.flatMap((server) => [...besides(server).map(siblingOf), ...strangers(server)]);
      return { ...self.look(names, scope), ...survey, facts: [], siblings };
    },
  };
  return self;
}
