import { BOUNDS } from './bounds.ts';
import type { BalancerConfig, GoneConfig, ProbeConfig, StartConfig, StopConfig } from './config.ts';
import * as defaults from './defaults.ts';
import * as field from './fields.ts';
import { mapping, oneOf, orNull } from './fields.ts';
import { gate, phaseHook, warn } from './hooks-schema.ts';
import { listen } from './listen-schema.ts';
import { headers, oneUser } from './headers-schema.ts';
import { scheduleEntry } from './schedule-schema.ts';
import { lock, pool } from './pool-schema.ts';
import { source } from './source-schema.ts';
import { unitOfCommand } from './app-validators.ts';
import * as z from 'zod';

/**
 * The YAML keys; every other one is refused. Each part answers in the
 * shape of config.ts. What depends on the node's name or on the terminal stays null until load.ts fills it in.
 */

const cadence = {
  every: field.duration.default(defaults.PROBE_EVERY_MS),
  timeout: field.duration.default(defaults.PROBE_TIMEOUT_MS),
  rise: field.whole(BOUNDS['app.probe.rise']).default(defaults.PROBE_RISE),
  fall: field.whole(BOUNDS['app.probe.fall']).default(defaults.PROBE_FALL),
};

const httpProbe = mapping({
  url: field.httpUrl,
  healthy: z
    .array(field.httpStatus)
    .min(1)
    .default([...defaults.PROBE_HEALTHY_STATUS]),
  signOut: mapping({ status: z.array(field.httpStatus).default([]), body: orNull(field.nonEmpty) }).prefault(
    {},
  ),
  headers,
}).superRefine(oneUser);

const probe = oneOf({
  http: mapping({ http: httpProbe, ...cadence }),
  tcp: mapping({ tcp: field.endpointOrPort, ...cadence }),
  command: mapping({ command: field.command, ...cadence }),
}).transform((written): ProbeConfig => {
  const { every, timeout, rise, fall } = written;
  return { how: probeKind(written), everyMs: every, timeoutMs: timeout, rise, fall };
});

type WrittenHow =
  | { http: z.output<typeof httpProbe> }
  | { tcp: { readonly host: string; readonly port: number } }
  | { command: string[] };

function probeKind(written: WrittenHow): ProbeConfig['how'] {
  if ('http' in written) return { kind: 'http', ...written.http };
  if ('tcp' in written) return { kind: 'tcp', ...written.tcp };
  return { kind: 'command', command: written.command };
}

const commandKeys = {
  command: field.command,
  timeout: field.duration.default(defaults.COMMAND_TIMEOUT_MS),
};

const systemd = mapping({ systemd: field.unitName, timeout: commandKeys.timeout });

const start = oneOf({ command: mapping(commandKeys), systemd }).transform((written): StartConfig => {
  const timeoutMs = written.timeout;
  const unit = 'systemd' in written ? written.systemd : unitOfCommand(written.command, 'start');
  if (unit !== null) return { unit, timeoutMs };
  return { command: 'command' in written ? written.command : [], timeoutMs };
});

const signal = mapping({
  name: field.signalName.default(defaults.STOP_SIGNAL),
  pidFile: field.path,
  killAfter: field.duration.default(defaults.KILL_AFTER_MS),
});

const docker = mapping({
  container: field.containerName,
  socket: field.socketPath.default(defaults.DOCKER_SOCKET),
  timeout: field.duration.default(defaults.KILL_AFTER_MS),
});

const gone = oneOf({
  pidFile: mapping({ pidFile: field.path }),
  port: mapping({ port: field.port }),
}).transform((written): GoneConfig =>
  'port' in written ? { kind: 'port', port: written.port } : { kind: 'pidFile', path: written.pidFile },
);

const stop = oneOf({
  command: mapping({
    ...commandKeys,
    gone: orNull(gone),
    idempotent: z.boolean().default(defaults.STOP_IDEMPOTENT),
  }),
  systemd,
  signal: mapping({ signal }),
  http: mapping({
    http: mapping({ url: field.httpUrl, headers }).superRefine(oneUser),
    timeout: commandKeys.timeout,
    gone: orNull(gone),
  }),
  docker: mapping({ docker }),
}).transform((written): StopConfig => {
  if ('command' in written) {
    const { timeout, ...others } = written;
    const unit = unitOfCommand(written.command, 'stop');
    if (unit !== null) return { kind: 'systemd', unit, timeoutMs: timeout };
    return { kind: 'command', ...others, timeoutMs: timeout };
  }
  if ('systemd' in written) return { kind: 'systemd', unit: written.systemd, timeoutMs: written.timeout };
  if ('http' in written) {
    const { http, timeout, gone: end } = written;
    return { kind: 'http', ...http, gone: end, timeoutMs: timeout };
  }
  if ('docker' in written) {
    const { timeout, ...others } = written.docker;
    return { kind: 'docker', ...others, timeoutMs: timeout };
  }
  const { name, pidFile, killAfter } = written.signal;
  return { kind: 'signal', name, pidFile, pid: null, killAfterMs: killAfter };
});

const app = mapping({
  probe: orNull(probe),
  onSignOut: z.enum(['drain', 'stop', 'ignore']).default(defaults.ON_SIGN_OUT),
  start: orNull(start),
  stop: orNull(stop),
});

const balancer = oneOf({
  haproxy: mapping({
    haproxy: field.balancerAddress,
    master: orNull(field.masterAddress),
    tls: orNull(mapping({ ca: field.path, cert: field.path, key: field.path })),
    writer: z.enum(['runtime', 'agent-check']).default(defaults.WRITER),
    servers: z.array(field.serverName).min(1),
    stateFile: orNull(field.path),
  }),
  agentCheck: mapping({
    agentCheck: mapping({ from: z.array(field.network).min(1), id: orNull(field.pollerId) }),
  }),
  health: mapping({
    health: mapping({
      from: z.array(field.network).min(1),
      fall: field.whole(BOUNDS['balancers[].health.fall']).default(defaults.MONITOR_FALL),
      rise: field.whole(BOUNDS['balancers[].health.rise']).default(defaults.MONITOR_RISE),
    }),
  }),
}).transform((written): BalancerConfig => {
  if ('agentCheck' in written) return { kind: 'agentCheck', ...written.agentCheck };
  if ('health' in written) return { kind: 'health', ...written.health };
  const { haproxy, ...others } = written;
  return { kind: 'haproxy', address: haproxy, ...others };
});

const drain = mapping({
  timeout: field.duration.default(defaults.DRAIN_TIMEOUT_MS),
  onTimeout: z.enum(['restore', 'force', 'hold']).default(defaults.DRAIN_ON_TIMEOUT),
  quiet: field.durationOrZero.optional(),
  keep: field.whole(BOUNDS['drain.keep']).default(defaults.DRAIN_KEEP),
  keepBackups: z.boolean().default(defaults.DRAIN_KEEP_BACKUPS),
  expires: orNull(field.durationOrNever),
  gate: orNull(gate),
  warn: z.array(warn).default([]),
  pace: field.whole(BOUNDS['drain.pace']).default(defaults.CLOSE_PER_SECOND),
}).transform(({ timeout, onTimeout, quiet, keep, keepBackups, expires, pace, ...hooks }) => ({
  ...hooks,
  closePerSecond: pace,
  timeoutMs: timeout,
  onTimeout,
  quietMs: quiet ?? defaults.DRAIN_QUIET_MS,
  quietExplicit: quiet !== undefined,
  keep,
  keepBackups,
  expiresMs: expires,
}));

/** The whole file. Its output is a Config but for the values that need the node's name or the terminal. */
export const file = mapping({
  node: orNull(field.nodeName),
  app: app.prefault({}),
  balancers: z.array(balancer).min(1),
  ignoreServers: z.array(field.serverName).default([]),
  unreachable: z.enum(['wait', 'ignore']).default(defaults.UNREACHABLE),
  foreignDrain: z.enum(['refuse', 'follow']).default(defaults.FOREIGN_DRAIN),
  reloadGrace: field.durationOrZero.default(defaults.RELOAD_GRACE_MS),
  sticky: z.literal([true, false, 'auto']).default('auto'),
  sessions: z.array(source).default([]),
  drain: drain.prefault({}),
  return: mapping({
    timeout: field.duration.default(defaults.RETURN_TIMEOUT_MS),
    warmUp: field.durationOrZero.default(defaults.WARM_UP_MS),
    soak: field.durationOrZero.default(defaults.SOAK_MS),
  })
    .prefault({})
    .transform(({ timeout, warmUp, soak }) => ({ timeoutMs: timeout, warmUpMs: warmUp, soakMs: soak })),
  pool: orNull(pool),
  lock: orNull(lock),
  schedule: z.array(scheduleEntry).default([]),
  hooks: z.array(phaseHook).default([]),
  listen: listen.prefault({}),
  state: orNull(field.path),
  audit: orNull(field.path),
  adopt: orNull(z.boolean()),
  log: mapping({
    level: z.enum(['error', 'warn', 'info', 'debug']).default(defaults.LOG_LEVEL),
    format: orNull(z.enum(['json', 'text'])),
  }).prefault({}),
});

export type File = z.output<typeof file>;
