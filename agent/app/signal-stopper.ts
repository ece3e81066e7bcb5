import type { SignalStopConfig } from '../config/config.ts';
import type { Proof } from '../lifecycle/model/observation.ts';
import { sleep, type Clock } from '../system/clock.ts';
import { errnoOf, isLastcallError } from '../system/error.ts';
import { KILL_WAIT_MS } from '../system/process-group.ts';
import { processStatus } from '../system/process.ts';
import { untilGone } from './process-identity.ts';
import { createNamedProcess, type NamedProcess, type NamingPorts } from './named-process.ts';
import {
  checkPermission,
  hiddenError,
  killedWarning,
  notAllowedError,
  notKilledError,
  unprovenError,
} from './errors.ts';
import type { StopOutcome, Stopper } from './contracts.ts';

const POLL_MS = 20;
/** An application that replaces itself may have ended before its successor has written the pid file. */
const SUCCESSION_MS = 1_000;

/**
 * Stops a process by a signal: the configured one, `killAfterMs` to end, then SIGKILL. Only the process itself is
 * signalled, not its group. Before each signal the proof (pid and start time) is verified again; between that look
 * and the signal remain some microseconds, which only a pidfd would close and Node has none.
 */
export function createSignalStopper(config: SignalStopConfig, ports: NamingPorts): Stopper {
  const { clock } = ports;
  const signalName = config.name.replace(/^SIG/, '');
  const named = createNamedProcess(config, ports);

  /** Sends only to the proven process. */
  const send = (proof: Proof, name: NodeJS.Signals): void => {
    if (processStatus(proof.pid, proof.startTime) !== 'alive') return;
    try {
      process.kill(proof.pid, name);
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') throw notAllowedError(proof.pid, error);
    }
  };
  const isGoneWithin = (proof: Proof, ms: number, signal: AbortSignal): Promise<boolean> =>
    untilGone([proof], clock.now() + ms, { clock, signal });
  const signalAndWait = async (proof: Proof, signal: AbortSignal): Promise<StopOutcome> => {
    const began = clock.now();
    send(proof, config.name);
    if (await isGoneWithin(proof, config.killAfterMs, signal)) return { how: signalName, warnings: [] };
    send(proof, 'SIGKILL');
    if (await isGoneWithin(proof, KILL_WAIT_MS, signal))
      return { how: 'KILL', warnings: [killedWarning(config.name, config.killAfterMs)] };
    throw notKilledError(proof, clock.now() - began);
  };
  /** The proven process, or the one that has taken its place; null = neither lives. */
  const present = async (proof: Proof, signal: AbortSignal): Promise<Proof | null> => {
    if (processStatus(proof.pid, proof.startTime) !== 'gone') return proof;
    if (config.pidFile === null) return null;
    return successorOf(named, clock, signal);
  };

  return {
    isIdempotent: true,
    proves: true,
    sight: () => named.sight(),
    gone: (proof) => (proof === null ? named.gone() : processStatus(proof.pid, proof.startTime)),
    async check(signal) {
      signal.throwIfAborted();
      return signallable(await named.prove(signal));
    },
    async stop(proof, signal) {
      signal.throwIfAborted();
      if (proof === null)
        throw unprovenError('the application', 'no process was proven to be the application');
      const found = await present(proof, signal);
      if (found === null) return { how: 'gone', warnings: [] };
      if (processStatus(found.pid, found.startTime) === 'unknown') throw hiddenError(found.pid);
      return signalAndWait(found, signal);
    },
  };
}

function signallable(proof: Proof): Proof {
  checkPermission(proof);
  return proof;
}

/** Waits for another living process in the pid file; null when none has come. */
async function successorOf(named: NamedProcess, clock: Clock, signal: AbortSignal): Promise<Proof | null> {
  const until = clock.now() + SUCCESSION_MS;
  for (;;) {
    const found = await provenBy(named, signal);
    if (found) return signallable(found);
    const rest = until - clock.now();
    if (rest <= 0) return null;
    await sleep(clock, Math.min(POLL_MS, rest), signal);
  }
}

async function provenBy(named: NamedProcess, signal: AbortSignal): Promise<Proof | null> {
  try {
    return await named.prove(signal);
  } catch (error) {
    if (isLastcallError(error)) return null;
    throw error;
  }
}
