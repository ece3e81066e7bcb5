import { needsProcessLookup } from '../../../agent/lifecycle/phases/app-events.ts';
import { lookScope } from '../../../agent/lifecycle/phases/capacity.ts';
import { pace } from '../../../agent/lifecycle/timing.ts';
import { PHASES } from '../../../agent/lifecycle/model/phase.ts';
import { stopsApp } from '../../../agent/lifecycle/model/operation.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';
import { isQueuing } from './balancer.ts';
import { provenByPidFile, signsOfLife } from './pid-file.ts';
import type { Happening, SimNode, World } from './world.ts';

/** What is asked over and over, as the engine does it: one question at a time, at the lifecycle's pace. */
export interface Asking {
  begin(): void;
  look(balancer: string): void;
  count(source: string): void;
  adjust(): void;
  stop(): void;
}

interface Poller {
  kick(): void;
}

const PROCESS_EVERY_MS = 500;
/** Its end is reported when it was seen so twice, so far apart. */
const GONE_FOR_MS = 1_000;
const SOURCE_DEADLINE_MS = 1_000;

export function createAsking(
  world: World,
  node: SimNode,
  getState: () => State,
  post: (happening: Happening) => void,
): Asking {
  const { time } = world;
  const { policy } = node;
  let stopped = false;
  const paceNow = (): ReturnType<typeof pace> => pace(policy, getState(), time.now);
  let last = paceNow();

  const poller = (ask: (done: () => void) => void, pauseMs: () => number): Poller => {
    let isAsking = false;
    let again = false;
    let cancel = (): void => undefined;
    const round = (): void => {
      if (stopped) return;
      isAsking = true;
      again = false;
      ask(() => {
        if (again) return round();
        isAsking = false;
        cancel = time.after(pauseMs(), round);
      });
    };
    return {
      kick() {
        if (isAsking) again = true;
        else {
          cancel();
          round();
        }
      },
    };
  };

  const look = (name: string, servers: readonly string[]) => (done: () => void) => {
    const lb = world.lb(name);
    const startedAt = time.now;
    const tell = (happening: Happening): void => {
      post(happening);
      done();
    };
    const scope = lookScope(policy, getState());
    lb.line.exchange(
      node.index,
      () => lb.look(servers, scope),
      (found) => tell({ type: 'polled', balancer: name, look: found, startedAt }),
      (error) => tell({ type: 'poll-failed', balancer: name, error }),
    );
  };
  const count = (source: string) => (done: () => void) => {
    const startedAt = time.now;
    time.after(time.between(0.5, 20), () => {
      const works = node.app.main !== null && !world.failing.has(source);
      const counted = source === policy.kernelSource ? sockets(world, node) : users(world, node);
      time.after(works ? time.between(0.5, 20) : SOURCE_DEADLINE_MS, () => {
        if (works) post({ type: 'counted', source, count: counted, startedAt });
        else post({ type: 'count-failed', source, error: 'no answer', startedAt });
        done();
      });
    });
  };
  let missedSince: number | null = null;
  const watchProcess = (done: () => void): void => {
    const state = getState();
    const { phase, app } = state;
    const { proof } = app;
    const found = policy.stopIsIdempotent ? provenByPidFile(node) : null;
    if (proof !== null && node.app.lives(proof)) missedSince = null;
    else if (proof !== null) missedSince ??= time.now;
    else if (app.gone) missedSince = PHASES[phase].place === 'out' ? null : (missedSince ?? time.now);
    if (PHASES[phase].ending || app.start === 'sent') missedSince = null;
    else if (found && (missedSince !== null || needsProcessLookup(state))) {
      missedSince = null;
      post({ type: 'app-back', proof: found });
    } else if (missedSince !== null && time.now - missedSince >= GONE_FOR_MS && isAsked(state)) {
      missedSince = time.now;
      const { appSources } = policy;
      // It is asked for some milliseconds, in which all may change.
      time.after(time.between(0.1, 20), () => {
        post({ type: 'app-gone', signs: signsOfLife(world, node, appSources) });
        done();
      });
      return;
    }
    done();
  };

  const looks = new Map(
    policy.balancers.map(({ name, servers }) => [
      name,
      poller(look(name, servers), () => paceNow().balancers),
    ]),
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
      if (now.balancers === last.balancers && now.sources === last.sources) return;
      if (now.balancers < last.balancers) for (const one of looks.values()) one.kick();
      if (now.sources < last.sources) for (const one of counts.values()) one.kick();
      last = now;
    },
    stop() {
      stopped = true;
    },
  };
}

/** What is gone is asked for only where it is to be stopped. */
function isAsked({ app, op }: State): boolean {
  return !app.gone || stopsApp(op?.kind);
}

function users({ people }: World, { index }: SimNode): number {
  return people.of(index).length;
}

/** Established connections to the application, whichever worker holds them. */
function sockets({ lbs }: World, { index }: SimNode): number {
  return lbs
    .flatMap(({ connections }) => [...connections])
    .filter((one) => one.server.node === index && !isQueuing(one)).length;
}
