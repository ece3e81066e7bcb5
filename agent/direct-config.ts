import type { DirectOptions } from './cli/ports.ts';
import { unitOfCommand } from './config/app-validators.ts';
import type { Config, ProbeConfig, StopConfig } from './config/config.ts';
import {
  CLOSE_PER_SECOND,
  FOREIGN_DRAIN,
  RELOAD_GRACE_MS,
  RETURN_TIMEOUT_MS,
  UNREACHABLE,
  DRAIN_KEEP,
  DRAIN_KEEP_BACKUPS,
  DRAIN_QUIET_MS,
  DRAIN_TIMEOUT_MS,
  KILL_AFTER_MS,
  PROBE_FALL,
  PROBE_HEALTHY_STATUS,
  PROBE_RISE,
  PROBE_TIMEOUT_MS,
  SOURCE_TIMEOUT_MS,
  STOP_IDEMPOTENT,
  STOP_SIGNAL,
  COMMAND_TIMEOUT_MS,
} from './config/defaults.ts';
import type { SourceConfig } from './config/source-config.ts';

/** A whole configuration of what the flags say; the rest has its default. */
export function directConfig(options: DirectOptions): Config {
  return {
    // No sidecar has a name for it.
    node: options.servers.join(', '),
    app: { probe: probeOf(options), onSignOut: 'ignore', start: null, stop: stopOf(options) },
    balancers: options.haproxy.map((address, index) => ({
      kind: 'haproxy',
      address,
      master: options.masters[index] ?? null,
      tls: address.startsWith('tls://') ? options.tls : null,
      writer: 'runtime',
      servers: options.servers,
      stateFile: options.stateFiles[index] ?? null,
    })),
    ignoreServers: [],
    unreachable: options.unreachable ?? UNREACHABLE,
    foreignDrain: FOREIGN_DRAIN,
    reloadGraceMs: options.reloadGraceMs ?? RELOAD_GRACE_MS,
    sticky: options.sticky,
    sessions: options.sessions ? [sourceOf(options.sessions)] : [],
    drain: {
      timeoutMs: DRAIN_TIMEOUT_MS,
      onTimeout: 'restore',
      quietMs: options.quietMs ?? DRAIN_QUIET_MS,
      quietExplicit: options.quietMs !== null,
      keep: options.keep ?? DRAIN_KEEP,
      keepBackups: DRAIN_KEEP_BACKUPS,
      expiresMs: null,
      gate: null,
      warn: [],
      closePerSecond: CLOSE_PER_SECOND,
    },
    return: { timeoutMs: RETURN_TIMEOUT_MS, warmUpMs: 0, soakMs: 0 },
    pool: null,
    lock: null,
    schedule: [],
    hooks: [],
    listen: {
      agentCheck: null,
      health: null,
      metrics: null,
      control: { path: '', mode: 0, group: null },
      hooks: null,
    },
    state: '',
    audit: null,
    adopt: false,
    log: { level: 'warn', format: 'text' },
  };
}

function sourceOf({ url, json }: NonNullable<DirectOptions['sessions']>): SourceConfig {
  const reading = json === null ? ({ kind: 'number' } as const) : ({ kind: 'json', pointer: json } as const);
  return { kind: 'http', url, reading, headers: {}, timeoutMs: SOURCE_TIMEOUT_MS };
}

/** An operator waits at the terminal: not for the sidecar's two seconds. */
const PROBE_EVERY_MS = 500;

function probeOf({ health }: DirectOptions): ProbeConfig | null {
  if (health === null) return null;
  return {
    how: {
      kind: 'http',
      url: health,
      healthy: PROBE_HEALTHY_STATUS,
      signOut: { status: [], body: null },
      headers: {},
    },
    everyMs: PROBE_EVERY_MS,
    timeoutMs: PROBE_TIMEOUT_MS,
    rise: PROBE_RISE,
    fall: PROBE_FALL,
  };
}

function stopOf({ stop }: DirectOptions): StopConfig | null {
  if (stop === null) return null;
  const unit = stop.kind === 'command' ? unitOfCommand(stop.command, 'stop') : null;
  if (unit !== null) return { kind: 'systemd', unit, timeoutMs: COMMAND_TIMEOUT_MS };
  if (stop.kind === 'command')
    return {
      kind: 'command',
      command: stop.command,
      timeoutMs: COMMAND_TIMEOUT_MS,
      gone: null,
      idempotent: STOP_IDEMPOTENT,
    };
  const signal = { kind: 'signal', name: STOP_SIGNAL, killAfterMs: KILL_AFTER_MS } as const;
  if (stop.kind === 'pid') return { ...signal, pid: stop.pid, pidFile: null };
  return { ...signal, pid: null, pidFile: stop.path };
}
