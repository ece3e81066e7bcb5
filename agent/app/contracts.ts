import type { Proof, Unproven } from '../lifecycle/model/observation.ts';

/** How the application ended. */
export interface StopOutcome {
  /** `TERM`, `KILL`, `command`, `gone` (it was not there any more): for the log and the result. */
  readonly how: string;
  /** For the operator: the application had to be killed; nothing proves that it is gone. */
  readonly warnings: readonly string[];
}

/** One way to stop the application. */
export interface Stopper {
  /**
   * Proves, before anything is changed, that the stop can run: the process is there and is ours to signal, the
   * program exists and is executable.
   * @returns the proven process, or why the stop will not show that the application has ended
   * @throws LastcallError `app-stop`
   */
  check(signal: AbortSignal): Promise<Proof | Unproven>;

  /**
   * As `check`, for a caller that only asks again and again which process it is: without asking for the right to stop it.
   * Absent where `check` costs little.
   */
  find?(signal: AbortSignal): Promise<Proof | Unproven>;

  /**
   * Stops the application and sees that it is gone. A process that is gone already is a success.
   * @param proof what `check` proved for this operation; another process under the same pid is never touched (I13)
   * @throws LastcallError `app-stop` when it is still there
   */
  stop(proof: Proof | null, signal: AbortSignal): Promise<StopOutcome>;

  /**
   * Is the proven process gone? `unknown` where nothing can prove it (a hidden /proc). Without a proof: is the process
   * that the configuration names no more (its pid file names a dead one, the child has ended)?
   * Gone is ESRCH, a zombie, or the pid now belonging to a process with another start time.
   */
  gone(proof: Proof | null): 'gone' | 'alive' | 'unknown';

  /**
   * Waits for a stop that a sidecar before us began and left running when it ended; at the stop's own deadline it is
   * ended. Resolves at once where there is none. Absent where nothing runs on without us.
   * @throws LastcallError `app-stop` when what it was to end is still there at that deadline
   * @throws the signal's reason
   */
  rejoin?(signal: AbortSignal): Promise<void>;

  /**
   * The processes that waited for connections at the application's ports when a stop of unproven end was begun, and live
   * still: they may belong to the application. Absent where a stop proves its end.
   */
  remainingPids?(): Promise<readonly number[]>;

  /** Looks at what names the process, several times a second. Absent where nothing is gained by an early look. */
  sight?(): void;

  /**
   * May a stop whose outcome is not known be sent once more after a crash (I6)? A signal may; a command only where
   * the configuration allows it.
   */
  readonly isIdempotent: boolean;
  /** Can the end of the application be seen? False for a command without `gone`. */
  readonly proves: boolean;
}

/** Reboots the machine on which the application runs. */
export interface Rebooter {
  /**
   * Proves, before anything is changed, that the machine may be rebooted.
   * @throws LastcallError `not-permitted` without the right to it, `busy` while another process holds a
   *   shutdown inhibitor, or another node of this machine is in service
   */
  check(signal: AbortSignal): Promise<void>;
  /**
   * Asks for the reboot, once; systemd carries it out whether lastcall lives or not. Resolves also where it is unknown whether it
   * was asked for.
   * @throws LastcallError `failed` when it was refused, or what `check` asks has changed meanwhile; the signal's reason
   */
  reboot(signal: AbortSignal): Promise<void>;
}

/** One way to start the application. */
export interface Starter {
  /** @throws LastcallError `app-health` when the start cannot run (program missing, not executable) */
  check(signal: AbortSignal): Promise<void>;
  /**
   * Starts the application; returns when the start command has succeeded or the child is running (not yet healthy).
   * @throws LastcallError `app-health`
   */
  start(signal: AbortSignal): Promise<void>;
}
