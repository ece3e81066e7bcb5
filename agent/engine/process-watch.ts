import { mayHaveEnded, needsProcessLookup } from '../lifecycle/phases/app-events.ts';
import { stopsApp } from '../lifecycle/model/operation.ts';
import { PHASES } from '../lifecycle/model/phase.ts';
import type { Policy } from '../lifecycle/model/policy.ts';
import type { State } from '../lifecycle/model/state.ts';
import { isSameProof, type Proof } from '../lifecycle/model/observation.ts';
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
/** An application that no process proves is looked for less and less often: a maintenance page may have its port for hours. */
const LONGEST_MS = 30_000;

/**
 * Looks whether the proven process is still there, and whether one that was missed is back. Only a proven process can be
 * missed, and only one that can be proven is back. What answers in the place of a missed one is asked with it.
 * @returns one look; to be repeated
 */
export function createProcessWatch(
  policy: Policy,
  ports: Pick<Ports, 'stopper' | 'clock' | 'sources' | 'balancers'>,
  getState: () => State,
  post: (event: UnstampedEvent) => void,
  signal: AbortSignal,
): () => Promise<void> {
  const { stopper, clock } = ports;
  const sources = ports.sources.filter(({ name }) => policy.appSources.includes(name));
  let missed: Missed | null = null;

  /** Goes on with the one that is missed, also where the lifecycle has no proof any more. */
  const isMissing = (known: Stopper, state: State): boolean => {
    const { proof, gone } = state.app;
    const anew = { proof, since: clock.now(), pauseMs: GONE_FOR_MS, isUnproven: false };
    const isUnproven = mayHaveEnded(policy, state);
    if (missed?.isUnproven === true && !isUnproven) missed = null;
    if (proof !== null) {
      if (known.gone(proof) !== 'gone') return false;
      if (!isSameProof(proof, missed?.proof)) missed = anew;
    } else if (gone) {
      // An application that is out was stopped, or HAProxy sends no user to it.
      if (PHASES[state.phase].place === 'out') return false;
      missed ??= anew;
    } else if (isUnproven) missed ??= { ...anew, isUnproven };
    return missed !== null;
  };

  return async () => {
    stopper?.sight?.();
    const state = getState();
    const isEnding = PHASES[state.phase].ending || state.app.start === 'sent';
    const isGone = stopper !== null && !isEnding && isMissing(stopper, state);
    if (!isGone) missed = null;
    if (!stopper || isEnding || !(isGone || needsProcessLookup(policy, state))) return;
    const found = await provenBy(stopper, signal);
    if (found) {
      missed = null;
      return post({ type: 'app-back', proof: found });
    }
    if (missed === null || clock.now() - missed.since < missed.pauseMs) return;
    if (state.app.gone && !stopsApp(state.op?.kind)) return;
    const signs = await lookForLife({ ...ports, sources }, signal).catch(() => null);
    if (missed === null || signs === null) return;
    const pauseMs = missed.isUnproven ? Math.min(2 * missed.pauseMs, LONGEST_MS) : GONE_FOR_MS;
    missed = { ...missed, since: clock.now(), pauseMs };
    post({ type: 'app-gone', signs });
  };
}

/** A process that is looked for: since when, or since the last look at what answers in its place, and how long until the next. */
interface Missed {
  readonly proof: Proof | null;
  readonly since: number;
  readonly pauseMs: number;
  /** No process was ever seen of it. */
  readonly isUnproven: boolean;
}

/** A refusal means that the process is not there, or not proven. */
async function provenBy(stopper: Stopper, signal: AbortSignal): Promise<Proof | null> {
  const asked = stopper.find ? stopper.find(signal) : stopper.check(signal);
  const found = await asked.catch(() => null);
  return found && 'pid' in found ? found : null;
}
