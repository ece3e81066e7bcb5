import { needsProcessLookup } from '../lifecycle/phases/app-events.ts';
import { stopsApp } from '../lifecycle/model/operation.ts';
import { PHASES } from '../lifecycle/model/phase.ts';
import type { Policy } from '../lifecycle/model/policy.ts';
import type { State } from '../lifecycle/model/state.ts';
import type { Proof } from '../lifecycle/model/observation.ts';
import type { Stopper } from '../app/contracts.ts';
import { lookForLife } from './life-signs.ts';
import type { UnstampedEvent } from './run-effect.ts';
import type { Ports } from './ports.ts';

/**
 * An application that replaces itself is gone for an instant: its pid file still names the old process. So its end
 * is reported only when it was seen twice, so far apart, and no other process was named meanwhile. Until the
 * lifecycle accepts it, and while a gone application is to be stopped, it is reported again, each time so far
 * apart.
 */
const GONE_FOR_MS = 1_000;

/**
 * Looks whether the proven process is still there, and whether one that was missed is back. Only a proven process can be
 * missed, and only one that can be proven is back. What answers in the place of a missed one is asked with it.
 * @returns one look; to be repeated
 */
export function createProcessWatch(
  { appSources }: Pick<Policy, 'appSources'>,
  ports: Pick<Ports, 'stopper' | 'clock' | 'sources' | 'balancers'>,
  getState: () => State,
  post: (event: UnstampedEvent) => void,
  signal: AbortSignal,
): () => Promise<void> {
  const { stopper, clock } = ports;
  const sources = ports.sources.filter(({ name }) => appSources.includes(name));
  let missed: { readonly proof: Proof | null; readonly since: number } | null = null;

  /** Goes on with the one that is missed, also where the lifecycle has no proof any more. */
  const isMissing = (known: Stopper, { app, phase }: State): boolean => {
    const { proof, gone } = app;
    if (proof !== null) {
      if (known.gone(proof) !== 'gone') return false;
      if (!isSame(proof, missed?.proof)) missed = { proof, since: clock.now() };
    } else if (gone) {
      // What is out was stopped, or HAProxy sends no user to it.
      if (PHASES[phase].place === 'out') return false;
      missed ??= { proof, since: clock.now() };
    }
    return missed !== null;
  };

  return async () => {
    stopper?.sight?.();
    const state = getState();
    const isEnding = PHASES[state.phase].ending || state.app.start === 'sent';
    const isGone = stopper !== null && !isEnding && isMissing(stopper, state);
    if (!isGone) missed = null;
    if (!stopper || isEnding || !(isGone || needsProcessLookup(state))) return;
    const found = await provenBy(stopper, signal);
    if (found) {
      missed = null;
      return post({ type: 'app-back', proof: found });
    }
    if (missed === null || clock.now() - missed.since < GONE_FOR_MS) return;
    if (state.app.gone && !stopsApp(state.op?.kind)) return;
    const signs = await lookForLife({ ...ports, sources }, signal).catch(() => null);
    if (missed === null || signs === null) return;
    missed = { ...missed, since: clock.now() };
    post({ type: 'app-gone', signs });
  };
}

function isSame(one: Proof, other: Proof | null | undefined): boolean {
  return one.pid === other?.pid && one.startTime === other.startTime;
}

/** A refusal means that it is not there, or not for certain. */
async function provenBy(stopper: Stopper, signal: AbortSignal): Promise<Proof | null> {
  const asked = stopper.find ? stopper.find(signal) : stopper.check(signal);
  const found = await asked.catch(() => null);
  return found && 'pid' in found ? found : null;
}
