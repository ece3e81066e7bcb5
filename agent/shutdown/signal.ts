import type { SignalStopConfig } from '../config/config.ts';
import type { Proof } from '../lifecycle/view.ts';
import { sleep, type Clock } from '../system/clock.ts';
import { errnoOf } from '../system/error.ts';
import { KILL_WAIT_MS } from '../system/group.ts';
import { aliveness, lookAt, startedAt, startTimeOf } from '../system/process.ts';
import { readPidFile, whyNoPid } from './pid-file.ts';
import { checkPermission, hidden, killedWarning, notAllowed, survived, unproven } from './refusal.ts';
import type { StopOutcome, Stopper } from './stopper.ts';

const POLL_MS = 20;
/** A process writes its pid file after it began; so far the two clocks may be apart. */
const CLOCK_SLACK_MS = 2_000;

/**
 * Stops a process by a signal: the configured one, `killAfterMs` to end, then SIGKILL. Only the process itself is
 * signalled, not its group. Before each signal the proof (pid and start time) is verified again; between that look
 * and the signal remain some microseconds, which only a pidfd would close and Node has none.
 */
export function createSignalStopper(config: SignalStopConfig, { clock }: { clock: Clock }): Stopper {
  const signalName = config.name.replace(/^SIG/, '');

  /** Sends only to the proven process. */
  const send = (proof: Proof, name: NodeJS.Signals): void => {
    if (aliveness(proof.pid, proof.startTime) !== 'alive') return;
    try {
      process.kill(proof.pid, name);
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') throw notAllowed(proof.pid, error);
    }
  };
  const waitUntilGone = async (proof: Proof, ms: number, signal: AbortSignal): Promise<boolean> => {
    const end = clock.now() + ms;
    while (aliveness(proof.pid, proof.startTime) !== 'gone') {
      if (clock.now() >= end) return false;
      await sleep(clock, Math.min(POLL_MS, end - clock.now()), signal);
    }
    return true;
  };
  const signalAndWait = async (proof: Proof, signal: AbortSignal): Promise<StopOutcome> => {
    const began = clock.now();
    send(proof, config.name);
    if (await waitUntilGone(proof, config.killAfterMs, signal)) return { how: signalName, warnings: [] };
    send(proof, 'SIGKILL');
    if (await waitUntilGone(proof, KILL_WAIT_MS, signal))
      return { how: 'KILL', warnings: [killedWarning(config.name, config.killAfterMs)] };
    throw survived(proof, clock.now() - began);
  };

  return {
    repeatable: true,
    gone: (proof) => (proof === null ? goneByName(config) : aliveness(proof.pid, proof.startTime)),
    async check(signal) {
      signal.throwIfAborted();
      return prove(config);
    },
    async stop(proof, signal) {
      signal.throwIfAborted();
      if (proof === null) throw unproven('the application', 'no process was proven to be the application');
      const found = aliveness(proof.pid, proof.startTime);
      if (found === 'gone') return { how: 'gone', warnings: [] };
      if (found === 'unknown') throw hidden(proof.pid);
      return signalAndWait(proof, signal);
    },
  };
}

function prove({ pid, pidFile }: SignalStopConfig): Proof {
  if (pidFile === null) return proveProcess(pid ?? 0, null, 'the given process number');
  const file = readPidFile(pidFile);
  if ('problem' in file) throw unproven(pidFile, `${pidFile} ${file.problem}`);
  return proveProcess(file.pid, file.writtenAt, pidFile);
}

/** A pid file that is missing or odd says nothing; one that names a dead process says that it has ended. */
function goneByName({ pid, pidFile }: SignalStopConfig): 'gone' | 'unknown' {
  const file = pidFile === null ? null : readPidFile(pidFile);
  if (file !== null && 'problem' in file) return 'unknown';
  const named = file?.pid ?? pid ?? 0;
  if (whyNoPid(named) !== null) return 'unknown';
  const startTime = startTimeOf(named);
  if (startTime === null) return lookAt(named) === 'gone' ? 'gone' : 'unknown';
  const younger = file !== null && startedAt(startTime) > file.writtenAt + CLOCK_SLACK_MS;
  return younger || aliveness(named, startTime) === 'gone' ? 'gone' : 'unknown';
}

function proveProcess(pid: number, writtenAt: number | null, target: string): Proof {
  const problem = whyNoPid(pid);
  if (problem !== null) throw unproven(target, `${target} is ${problem}`);
  if (lookAt(pid) === 'hidden') throw hidden(pid);
  const startTime = startTimeOf(pid);
  if (startTime === null || aliveness(pid, startTime) !== 'alive') {
    throw unproven(target, `process ${pid} (${target}) is not running`);
  }
  // Also when its age cannot be told (NaN).
  if (writtenAt !== null && !(startedAt(startTime) <= writtenAt + CLOCK_SLACK_MS)) {
    throw unproven(target, `${target} is older than process ${pid}, which so cannot be the one it means`);
  }
  checkPermission({ pid, startTime });
  return { pid, startTime };
}
