import type { ConfiguredSource } from '../sessions/create.ts';
import type { Config, HaproxyConfig } from '../config/config.ts';
import type { Info } from '../haproxy/replies/show-info.ts';
import type { Look, Proof, Unproven } from '../lifecycle/model/observation.ts';
import type { Phase, Result } from '../lifecycle/model/api.ts';
import type { Survey } from '../lifecycle/model/survey.ts';
import type { ProbeAnswer } from '../probes/probe.ts';
import type { HaproxyFile } from './haproxy-file/file.ts';
import type { Readout } from './readout.ts';

/** All that was read of a setup, as plain values: the traps are judged by it. */
export interface Examination {
  readonly config: Config;
  /** There is no file and no sidecar: `config` is made of the flags of direct mode, and has defaults for all else. */
  readonly isDirect: boolean;
  readonly haproxies: readonly HaproxyExamined[];
  readonly sources: readonly SourceExamined[];
  /** null: none is configured; the same below. */
  readonly probe: Readout<ProbeExamined> | null;
  readonly stop: Readout<Proof | Unproven> | null;
  readonly start: Readout<void> | null;
  /** The application has ended: its process is not there, or its unit is inactive. */
  readonly isAppGone: boolean;
  /** The objections to a drain or a stop (`--dry-run`). */
  readonly trial: Readout<Objections>;
  readonly appUnit: Readout<UnitExamined> | null;
  readonly sidecarUnit: Readout<UnitExamined>;
  /** The sidecar's own answer at its control socket. */
  readonly sidecar: Readout<{ readonly phase: Phase }>;
  /** Why the state file cannot be written by this user; null = it can. */
  readonly state: string | null;
  /** The lock of the pool has answered; null = none is configured. */
  readonly lock: Readout<void> | null;
  /** Servers that are not listed and lead to other ports of this machine. */
  readonly hostServers: readonly HostServerExamined[];
  /** The configuration file of HAProxy; null = none was given. */
  readonly file: Readout<HaproxyFile> | null;
  /** What HAProxy's own health check of that file got from our servers. */
  readonly ownChecks: readonly CheckExamined[];
  /** `http_proxy` and the like in the environment, by their names. */
  readonly proxies: readonly string[];
  /** The name of the user that looks. */
  readonly user: string;
}

export type Objections = NonNullable<Result['objections']>;

export interface SourceExamined {
  readonly name: string;
  readonly kind: ConfiguredSource['kind'];
  readonly count: Readout<number>;
}

export interface ProbeExamined {
  readonly answer: ProbeAnswer;
  /** The driver's warnings: the answer sets a cookie. */
  readonly warnings: readonly string[];
}

/** A server that is not listed, at a host of ours and at another port. */
export interface HostServerExamined {
  readonly balancer: string;
  /** `backend/server` */
  readonly name: string;
  /** Our server of that host. */
  readonly of: string;
  /** `port 8081` */
  readonly servedAt: string;
  /** Which process takes its connections; `none`: no process of this machine. */
  readonly served: Readout<'application' | 'other' | 'none' | 'unknown'>;
}

/** The request of HAProxy's health check, sent by us to the server itself. */
export interface CheckExamined {
  readonly url: string;
  readonly setsCookie: Readout<boolean>;
}

/** One HAProxy of `balancers`. */
export interface HaproxyExamined {
  readonly config: HaproxyConfig;
  readonly about: Readout<{ readonly info: Info; readonly level: string }>;
  /** Its master CLI has answered; null: none is configured. */
  readonly master: Readout<void> | null;
  /** The node's servers there. */
  readonly servers: Readout<readonly ServerExamined[]>;
  readonly look: Readout<Look>;
  readonly survey: Readout<Survey>;
  /** The stick tables that bind users to servers. */
  readonly tables: Readout<readonly TableExamined[]>;
  /** Why its last reload did not write `stateFile`; null = it did, or that is not seen. */
  readonly noDump: string | null;
}

export interface ServerExamined {
  /** `backend/server` */
  readonly name: string;
  /** `UP`, `DRAIN`, `MAINT`, ... */
  readonly status: string;
  /** By which HAProxy leads a user back to it; null = no cookie does, or it is not shown. */
  readonly cookie: { readonly name: string; readonly value: string } | null;
  /** `roundrobin`; '' where the socket's level hides it. */
  readonly algorithm: string;
  /** `L7OK`, `L4OK`, ... of the last health check; '' without one. */
  readonly checkStatus: string;
  /** The server whose state and health it follows (`track`); null = none. */
  readonly tracked: string | null;
  /** The state of its agent-check; '' without one. */
  readonly agentStatus: string;
  /** The port that its agent-check asks; null = not shown, or none. */
  readonly agentPort: number | null;
  /** By the configuration; null = not shown. */
  readonly weight: number | null;
  /** Where users are sent: `127.0.0.1:8080`; null = not shown, or no IP address. */
  readonly address: string | null;
  /** Where its health check goes, as far as the port differs; null as above. */
  readonly checkAddress: string | null;
}

export interface TableExamined {
  readonly name: string;
  /** It holds entries, and none of them ends; null = it holds none, so that this does not show. */
  readonly neverEnds: boolean | null;
  /** A `peers` section hands it on. */
  readonly hasPeers: boolean;
}

/** One unit of systemd. */
export interface UnitExamined {
  readonly name: string;
  /** Properties as `systemctl show` gives them; `User` is '' for root. */
  readonly properties: Readonly<Record<string, string>>;
}
