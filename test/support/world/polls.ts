import { NO_SIGNS } from '../../../agent/engine/life-signs.ts';
import { isDeepStrictEqual } from 'node:util';
import { needsProcessLookup } from '../../../agent/lifecycle/phases/app-events.ts';
import { lookScope } from '../../../agent/lifecycle/phases/capacity.ts';
import { pace } from '../../../agent/lifecycle/timing.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';
import type { Look } from '../../../agent/lifecycle/model/observation.ts';
import type { SceneEvent, SceneWorld } from './world.ts';

/** The polls, as the engine makes them: one question at a time, at the lifecycle's pace. */
export interface SimPolls {
  begin(): void;
  look(balancer: string): void;
  count(source: string): void;
  adjust(): void;
  stop(): void;
}

interface ScenePoller {
  kick(): void;
}

const PROCESS_EVERY_MS = 500;
const SOURCE_DEADLINE_MS = 1_000;

/** A driver shows the servers that its configuration lists. */
export function listedIn<T extends Look>({ balancers }: Policy, at: string, look: T): T {
  const { servers = [] } = balancers.find(({ name }) => name === at) ?? {};
  return { ...look, servers: look.servers.filter(({ name }) => servers.includes(name)) };
}

export function createPolls(
  { time, policy, site }: SceneWorld,
  getState: () => State,
  post: (happening: SceneEvent) => void,
): SimPolls {
  let stopped = false;
  const paceNow = (): ReturnType<typeof pace> => pace(policy, getState(), time.now);
  let last = paceNow();

  const poller = (ask: (done: () => void) => void, pauseMs: () => number): ScenePoller => {
    let asking = false;
    let again = false;
    let cancel = (): void => undefined;
    const round = (): void => {
      if (stopped) return;
      asking = true;
      again = false;
      ask(() => {
        if (again) return round();
        asking = false;
        cancel = time.after(pauseMs(), round);
      });
    };
    return {
      kick() {
        if (asking) again = true;
        else {
          cancel();
          round();
        }
      },
    };
  };

  const look = (name: string) => (done: () => void) => {
    const at = site.balancer(name);
    const startedAt = time.now;
    const tell = (happening: SceneEvent): void => {
      post(happening);
      done();
    };
    const scope = lookScope(policy, getState());
    at.exchange(
      () => listedIn(policy, name, at.look(scope)),
      (found) => tell({ type: 'polled', balancer: name, look: found, startedAt }),
      (error) => tell({ type: 'poll-failed', balancer: name, error }),
    );
  };
  const count = (source: string) => (done: () => void) => {
    const startedAt = time.now;
    const answer = (): void => {
      const works = site.app.alive && !site.failing.has(source);
      const counted = site.users.length;
      time.after(works ? time.between(0.5, 20) : SOURCE_DEADLINE_MS, () => {
        if (works) post({ type: 'counted', source, count: counted, startedAt });
        else post({ type: 'count-failed', source, error: 'no answer', startedAt });
        done();
      });
    };
    time.after(time.between(0.5, 20), answer);
  };
  let isMissed = false;
  const watchProcess = (done: () => void): void => {
    const { app, phase } = getState();
    const { proof, gone } = app;
    if (proof) isMissed = !site.app.alive || !isDeepStrictEqual(proof, site.proof());
    if (gone || phase === 'stopping') isMissed = false;
    // It is reported until it is accepted: a probe that was good a moment ago contradicts it.
    if (isMissed && !site.app.alive && policy.hasProbe && getState().health === 'up')
      post({ type: 'probed', health: 'down', signedOut: null, startedAt: time.now });
    if (isMissed) post({ type: 'app-gone', signs: NO_SIGNS });
    // A signal has a pid file to look into, a command has not.
    if (needsProcessLookup(getState()) && site.app.alive && policy.stopIsIdempotent)
      post({ type: 'app-back', proof: site.proof() });
    done();
  };

  const looks = new Map(
    policy.balancers.map(({ name }) => [name, poller(look(name), () => paceNow().balancers)]),
  );
  const counts = new Map(policy.sources.map((name) => [name, poller(count(name), () => paceNow().sources)]));
  const app = poller(watchProcess, () => PROCESS_EVERY_MS);

  return {
    begin() {
      for (const one of [...looks.values(), ...counts.values(), app]) one.kick();
    },
    look: (name) => looks.get(name)?.kick(),
    count: (name) => counts.get(name)?.kick(),
    adjust() {
      const now = paceNow();
      if (now.balancers < last.balancers) for (const one of looks.values()) one.kick();
      if (now.sources < last.sources) for (const one of counts.values()) one.kick();
      last = now;
    },
    stop() {
      stopped = true;
    },
  };
}
