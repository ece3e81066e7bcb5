import type { Config } from '../config/config.ts';
import type { Diagnosis } from '../doctor/diagnosis.ts';
import type { Service } from '../engine/service.ts';
import type { Clock } from '../system/clock.ts';

/** What the command line needs from outside; main.ts passes the real ones, a test its own. */
export interface CliPorts {
  /** The arguments after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly signals: ProcessSignals;
  readonly clock: Clock;
  /** The caller, as sent to the sidecar: `cli alice@host`. */
  readonly by: () => string;
  readonly hostname: () => string;
  readonly version: () => string;
  /**
   * The sidecar (and, with a command, the application as its child). Resolves with the exit code when it is over.
   * @throws LastcallError when it cannot start
   */
  readonly run: (options: RunOptions) => Promise<number>;
  /**
   * The engine in this process, for direct mode: it keeps no record, and its `ready` is the operator's own command.
   * @throws LastcallError when a balancer cannot be asked, the server does not exist, ...
   */
  readonly direct: (options: DirectOptions) => Promise<DirectService>;
  /**
   * Loads all that a substitute of the sidecar needs, so that an upgrade or a removal of the package in the middle does not take it away.
   * @returns the engine in this process in the place of the sidecar of that configuration, with its lock and its record;
   *   it rejects with a LastcallError that says why it cannot be
   */
  readonly loadSubstitute: () => Promise<(config: Config) => Promise<DirectService>>;
  /** Looks for every trap of a setup; writes nothing, but for a trial drain. @throws LastcallError `config` */
  readonly doctor: (request: DoctorRequest) => Promise<Diagnosis>;
}

/** What is known of the node: its configuration file, or, without one, flags as of direct mode. */
export type DoctorSetup =
  | { readonly kind: 'file'; readonly config: Config }
  | {
      readonly kind: 'flags';
      readonly options: DirectOptions;
      /** Servers that are left out on purpose, as `ignoreServers` of the file. */
      readonly ignoreServers: readonly string[];
    };

export interface DoctorRequest {
  readonly setup: DoctorSetup;
  /** The configuration file of HAProxy; null = none was given. */
  readonly haproxyFile: string | null;
  /** The environment with which lastcall was started. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A trial drain; null = none. */
  readonly live: LiveRequest | null;
}

export interface LiveRequest {
  /** Of a frontend that leads to the backend of this node. */
  readonly url: string;
  /** Ends the trial early, and what was found is put back all the same. */
  readonly signal: AbortSignal;
  /** Ends also the restoring of what was found: there is no more time for it. */
  readonly last: AbortSignal;
  /**
   * Called once, when the drain has been asked for.
   * @param left the servers whose state is not seen to be as before, at the moment of the call
   */
  readonly onBegun: (left: () => readonly string[]) => void;
}

/** A stream to write to: process.stdout and process.stderr are such. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export type Interrupt = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

export interface ProcessSignals {
  on(signal: Interrupt, listener: (signal: Interrupt) => void): unknown;
  off(signal: Interrupt, listener: (signal: Interrupt) => void): unknown;
}

export interface RunOptions {
  readonly config: Config;
  /** The arguments after `--`: the application to start and supervise; null = a plain sidecar. */
  readonly command: readonly string[] | null;
  readonly reload: Reload;
}

/** The configuration file, to be read once more. */
export interface Reload {
  /** @throws LastcallError `config`, with file:line:column */
  readonly read: () => Promise<{ readonly config: Config; readonly warnings: readonly string[] }>;
  /** A SIGHUP has come since the file was first read: what the sidecar was given may be old. */
  readonly isAsked: boolean;
}

/** The flags of direct mode, checked; durations in milliseconds. Every balancer has all the servers. */
export interface DirectOptions {
  /** `unix:/path`, `/path`, `tcp://host:port` or `tls://host:port`, at least one. */
  readonly haproxy: readonly string[];
  /** The master CLI of each of them, in their order, or none at all. */
  readonly masters: readonly string[];
  /** For those of `tls://`: files in PEM. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | null;
  /** `backend/server`, at least one. */
  readonly servers: readonly string[];
  readonly sessions: { readonly url: string; readonly json: string | null } | null;
  readonly stop: DirectStop | null;
  /** URL of the application's health, for `ready`. */
  readonly health: string | null;
  /** null: not given, the default holds. */
  readonly quietMs: number | null;
  /** False with `--not-sticky`. */
  readonly sticky: false | 'auto';
  /** So many other usable servers must remain; null as for `quietMs`, here and below. */
  readonly keep: number | null;
  readonly unreachable: 'wait' | 'ignore' | null;
  readonly reloadGraceMs: number | null;
  /** The server-state file of each HAProxy, in their order, or none at all. */
  readonly stateFiles: readonly string[];
}

export type DirectStop =
  | { readonly kind: 'pid'; readonly pid: number }
  | { readonly kind: 'pidFile'; readonly path: string }
  | { readonly kind: 'command'; readonly command: readonly string[] };

export interface DirectService extends Service {
  /** Ends everything that the engine holds open; an operation under way is not waited for. */
  close(): Promise<void>;
}

/** The options that every verb understands. */
export interface Globals {
  readonly config?: string;
  readonly socket?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** What a verb works with. */
export interface Context {
  readonly ports: CliPorts;
  readonly globals: Globals;
}
