import type { GoneConfig } from '../config/config.ts';
import type { ProcessIdentity, Proof, Unproven } from '../lifecycle/model/observation.ts';
import { isLastcallError, type LastcallError } from '../system/error.ts';
import { listenersOn } from '../system/socket-owners.ts';
import type { CommandPorts } from './app-command.ts';
import { createEndProof } from './end-proof.ts';
import { statusOfAll, isProof, stillAlive, processesOf, untilGone } from './process-identity.ts';
import type { NamingPorts } from './named-process.ts';
import { whyNoPid } from './pid-file.ts';
import { outlivedError } from './errors.ts';
import type { RunningStop } from './running-stop-record.ts';
import type { Stopper } from './contracts.ts';

/** A stop that another program carries out, and that may be answered before the application has ended. */
export interface WatchedStop {
  /** For the log and the result. */
  readonly how: string;
  /** In a sentence: `the stop command`. */
  readonly what: string;
  readonly timeoutMs: number;
  readonly gone: GoneConfig | null;
  readonly isIdempotent: boolean;
  /** @throws LastcallError `app-stop` when it cannot run */
  check(signal: AbortSignal): Promise<void> | void;
  /**
   * Stops the application, or asks another program to.
   * @param stop the record of it for the next sidecar
   * @returns why it is unknown whether it was carried out; null = it was
   * @throws LastcallError `app-stop` when it was not; the signal's reason
   */
  act(stop: RunningStop, signal: AbortSignal): Promise<LastcallError | null>;
}

/**
 * Where `gone` names the processes of the application, they are found before the stop is carried out and watched until
 * they have ended, within the stop's own time-out. Where it does not, the result warns.
 */
export function watchedStopper(spec: WatchedStop, ports: CommandPorts & NamingPorts): Stopper {
  const { how, what, timeoutMs } = spec;
  const { clock, stops } = ports;
  const end = createEndProof(spec.gone, ports);
  let suspects: readonly ProcessIdentity[] = [];
  return {
    // Only the operator can decide whether it may be carried out again (I6).
    isIdempotent: spec.isIdempotent,
    proves: spec.gone !== null,
    sight: () => end.sight(),
    gone: (proof) => (proof === null ? end.gone() : statusOfAll(processesOf(proof))),
    async check(signal) {
      signal.throwIfAborted();
      try {
        await spec.check(signal);
      } catch (error) {
        // A process that ended cannot be reached: report the end, not the failure.
        if (end.gone() === 'gone') await end.capture(signal);
        throw error;
      }
      return end.capture(signal);
    },
    async stop(proof, signal) {
      signal.throwIfAborted();
      const began = clock.now();
      const until = began + timeoutMs;
      // Once more, for a drain may last hours, and workers come and go.
      const [found] = await Promise.all([
        end.capture(signal).catch(whyNot),
        stops?.announce({ until, watched: processesOf(proof), suspects: [] }),
      ]);
      const watched = together(proof, found);
      suspects = watched.length > 0 ? [] : await listening(ports, signal);
      const doubt = await spec.act({ until, watched, suspects }, signal);
      if (watched.length === 0) {
        if (doubt !== null) throw doubt;
        return { how, warnings: [warningOf(what, found)] };
      }
      if (await untilGone(watched, until, { clock, signal })) return { how, warnings: [] };
      const pids = stillAlive(watched).map(({ pid }) => pid);
      throw doubt ?? outlivedError(what, pids, clock.now() - began);
    },
    rejoin: async (signal) => stops?.ended(signal),
    async remainingPids() {
      if (suspects.length === 0) suspects = (await stops?.suspects()) ?? [];
      return stillAlive(suspects).map(({ pid }) => pid);
    },
  };
}

/** The listeners at the application's ports: no proof, since one may be a proxy before it. */
async function listening(
  { appPorts }: NamingPorts,
  signal: AbortSignal,
): Promise<readonly ProcessIdentity[]> {
  const found = await Promise.all((await appPorts(signal)).map((port) => listenersOn(port, signal)));
  return found
    .flatMap((one) => (one.kind === 'owned' ? one.owners : []))
    .filter(({ pid }) => whyNoPid(pid) === null);
}

function whyNot(error: unknown): Unproven {
  if (!isLastcallError(error) || error.code !== 'app-stop') throw error;
  return { code: 'app-stop', unproven: error.message };
}

/** The processes of the application when the stop was admitted, and those of now. */
function together(proof: Proof | null, found: Proof | Unproven): readonly ProcessIdentity[] {
  const all = [...processesOf(proof), ...processesOf(found)];
  return [...new Map(all.map((one) => [`${one.pid} ${one.startTime}`, one])).values()];
}

function warningOf(what: string, found: Proof | Unproven): string {
  const unproven = `${what} succeeded, but nothing proves that the application is gone`;
  return isProof(found) ? unproven : `${unproven}: ${found.unproven}`;
}
