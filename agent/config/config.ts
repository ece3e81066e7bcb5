import type { CommandConfig } from './command-config.ts';
import type { ConditionConfig, PhaseHookConfig, WarnConfig } from './hooks-config.ts';
import type { SourceConfig } from './source-config.ts';

/**
 * The configuration as the rest of the program sees it: checked, complete, frozen. Durations are milliseconds.
 * The YAML keys are those of deploy/lastcall.yaml; a key that no feature uses yet is refused as unknown.
 */
export interface Config {
  readonly node: string;
  readonly app: AppConfig;
  readonly balancers: readonly BalancerConfig[];
  /** Servers of this application that are left out on purpose: `backend/server`, validated. */
  readonly ignoreServers: readonly string[];
  readonly unreachable: 'wait' | 'ignore';
  /** What an operation does where an operator holds a server in DRAIN, or at weight 0. */
  readonly foreignDrain: 'refuse' | 'follow';
  readonly reloadGraceMs: number;
  readonly sticky: boolean | 'auto';
  readonly sessions: readonly SourceConfig[];
  readonly drain: DrainConfig;
  readonly return: ReturnConfig;
  /** The nodes of which at most `slots` may be out at a time; null = this node belongs to no pool. */
  readonly pool: PoolConfig | null;
  /** The lock that the nodes of the pool share; null = nothing keeps `pool.slots`. */
  readonly lock: LockConfig | null;
  readonly schedule: readonly ScheduleConfig[];
  readonly hooks: readonly PhaseHookConfig[];
  readonly listen: {
    readonly agentCheck: AgentCheckListenConfig | null;
    readonly health: HealthListenConfig | null;
    readonly metrics: ListenConfig | null;
    readonly control: ControlConfig;
    readonly hooks: HooksListenConfig | null;
  };
  /** Path of the state file. */
  readonly state: string;
  /** Path of the audit log; null = none is kept. */
  readonly audit: string | null;
  /** null: true under `run -- COMMAND`, else false. */
  readonly adopt: boolean | null;
  readonly log: { readonly level: 'error' | 'warn' | 'info' | 'debug'; readonly format: 'json' | 'text' };
}

/** How the node comes back. */
export interface ReturnConfig {
  /** Until the application is healthy and every server UP. */
  readonly timeoutMs: number;
  /** How long the share of new users rises after that; 0 = it is whole at once. */
  readonly warmUpMs: number;
  /** How long it must stay UP and healthy before its slot of the pool is given back; 0 = not at all. */
  readonly soakMs: number;
}

export interface AppConfig {
  readonly probe: ProbeConfig | null;
  readonly onSignOut: 'drain' | 'stop' | 'ignore';
  readonly start: StartConfig | null;
  readonly stop: StopConfig | null;
}

/** By a command, or as a unit of systemd. */
export type StartConfig = CommandConfig | UnitConfig;

export interface UnitConfig {
  /** `tomcat10.service`, validated. */
  readonly unit: string;
  readonly timeoutMs: number;
}

export interface ProbeConfig {
  readonly how: HttpProbeConfig | TcpProbeConfig | CommandProbeConfig;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
}
export interface HttpProbeConfig {
  readonly kind: 'http';
  readonly url: string;
  readonly healthy: readonly number[];
  readonly signOut: { readonly status: readonly number[]; readonly body: string | null };
  /** Header fields of the request; their values are secrets. */
  readonly headers: Readonly<Record<string, string>>;
}
export interface TcpProbeConfig {
  readonly kind: 'tcp';
  readonly host: string;
  readonly port: number;
}
export interface CommandProbeConfig {
  readonly kind: 'command';
  readonly command: readonly string[];
}

export type StopConfig =
  SignalStopConfig | CommandStopConfig | SystemdStopConfig | HttpStopConfig | DockerStopConfig;
export interface SystemdStopConfig extends UnitConfig {
  readonly kind: 'systemd';
}
/** A POST, whose good answer is its success. */
export interface HttpStopConfig {
  readonly kind: 'http';
  readonly url: string;
  /** Header fields of the request; their values are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** By which processes the end of the application is seen; null = nothing proves it. */
  readonly gone: GoneConfig | null;
}
/** A container of an engine that answers at a unix socket. */
export interface DockerStopConfig {
  readonly kind: 'docker';
  /** Its name or its id. */
  readonly container: string;
  readonly socket: string;
  /** How long the engine gives it to end, until it kills it. */
  readonly timeoutMs: number;
}
export interface CommandStopConfig extends CommandConfig {
  readonly kind: 'command';
  /** By which processes the end of the application is seen; null = nothing proves it. */
  readonly gone: GoneConfig | null;
  /** May it be run again after a crash in the middle of it? */
  readonly idempotent: boolean;
}
export type GoneConfig =
  /** The process that this file names. */
  | { readonly kind: 'pidFile'; readonly path: string }
  /** All processes that listen on this port of this machine. */
  | { readonly kind: 'port'; readonly port: number };
export interface SignalStopConfig {
  readonly kind: 'signal';
  readonly name: NodeJS.Signals;
  /** Exactly one of pidFile and pid; a pid only from the command line. */
  readonly pidFile: string | null;
  readonly pid: number | null;
  readonly killAfterMs: number;
}

export type BalancerConfig = HaproxyConfig | PollerConfig | HealthPollerConfig;
export interface HaproxyConfig {
  readonly kind: 'haproxy';
  /** `unix:/path`, `/path`, `tcp://host:port` or `tls://host:port`, as written; the balancer's name in every message. */
  readonly address: string;
  /** Its master CLI, through which workers of before a reload are counted, or null. */
  readonly master: string | null;
  /** For `tls://`, and only there. */
  readonly tls: TlsConfig | null;
  readonly writer: 'runtime' | 'agent-check';
  /** The `server-state-file` that each reload of this HAProxy dumps first, or null. */
  readonly stateFile: string | null;
  /** `backend/server`, validated. */
  readonly servers: readonly string[];
}
/** Files in PEM: the CAs that we trust for HAProxy's certificate, and our own certificate. */
export interface TlsConfig {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}
/** A HAProxy that only polls our agent-check: no count, no read-back. */
export interface PollerConfig {
  readonly kind: 'agentCheck';
  readonly from: readonly string[];
  /** Its `agent-send`, where addresses are not enough. */
  readonly id: string | null;
}
/** A balancer that only polls our health port: no count, no read-back. */
export interface HealthPollerConfig {
  readonly kind: 'health';
  readonly from: readonly string[];
  /** The monitor's own setting: after so many bad answers in a row it sends the node no more users, after so many good ones it does again. */
  readonly fall: number;
  readonly rise: number;
}

export interface DrainConfig {
  readonly timeoutMs: number;
  readonly onTimeout: 'restore' | 'force' | 'hold';
  readonly quietMs: number;
  /** True when `quiet` is written in the file: it then answers for users that no source counts. */
  readonly quietExplicit: boolean;
  readonly keep: number;
  /** Do backups count as others for an active server? */
  readonly keepBackups: boolean;
  readonly expiresMs: number | null;
  readonly gate: { readonly on: CommandConfig; readonly off: CommandConfig } | null;
  readonly warn: readonly WarnConfig[];
  /** How many connections `force` closes in a second at each balancer. */
  readonly closePerSecond: number;
}

export interface PoolConfig {
  readonly name: string;
  readonly slots: number;
  /** After so many nodes that did not come back no other one begins. */
  readonly brake: number;
}

/** A directory that the nodes of one machine share. */
export interface FileLockConfig {
  readonly kind: 'file';
  readonly path: string;
}

/** A cluster that the nodes of all machines share. */
export interface EtcdLockConfig {
  readonly kind: 'etcd';
  /** http or https URLs of one cluster, without path, user or password. */
  readonly endpoints: readonly string[];
  /** Whole seconds: a sidecar that has shown no sign of life for so long is taken for gone. */
  readonly ttlMs: number;
}

export type LockConfig = FileLockConfig | EtcdLockConfig;

export interface ScheduleConfig {
  readonly cron: string;
  readonly timezone: string | null;
  readonly do: 'restart' | 'drain' | 'ready' | 'reboot';
  readonly reason: string;
  /** A random time, at most so long, between the time of the calendar and the operation. */
  readonly jitterMs: number;
  /** The condition that has to be met when the entry is due; null = none. */
  readonly when: ConditionConfig | null;
}

export interface ListenConfig {
  readonly host: string;
  readonly port: number;
}
export interface AgentCheckListenConfig extends ListenConfig {
  /** Addresses or CIDR blocks that may connect; empty = any that reaches the port. */
  readonly allow: readonly string[];
}
export interface HealthListenConfig extends ListenConfig {
  /** Addresses or CIDR blocks that may connect; empty = any that reaches the port. */
  readonly allow: readonly string[];
  readonly answers: Readonly<Record<'up' | 'drain' | 'down', HealthAnswerConfig>>;
}
export interface HealthAnswerConfig {
  readonly status: number;
  readonly body: string;
}
export interface HooksListenConfig extends ListenConfig {
  /** The file of the token that a caller has to send; null = none, at an address that only this machine reaches. */
  readonly tokenFile: string | null;
  /** Addresses or CIDR blocks that may connect; empty = any that reaches the port. */
  readonly allow: readonly string[];
}
export interface ControlConfig {
  readonly path: string;
  /** File mode as a number, 0o600 by default. */
  readonly mode: number;
  readonly group: string | null;
}
