/** The defaults. Light: the CLI reads the paths without loading the parser. */

export const PROBE_EVERY_MS = 2_000;
export const PROBE_TIMEOUT_MS = 1_000;
/** Good answers in a row that make the app healthy. */
export const PROBE_RISE = 2;
/** Bad answers in a row that make it unhealthy. */
export const PROBE_FALL = 3;
export const PROBE_HEALTHY_STATUS: readonly number[] = [200];
/** Where a TCP probe goes that names a port only. */
export const PROBE_TCP_HOST = '127.0.0.1';

/** Start and stop commands get longer than systemd's own 90 s (DefaultTimeoutStartSec), so that systemd speaks first. */
export const COMMAND_TIMEOUT_MS = 120_000;
export const STOP_SIGNAL: NodeJS.Signals = 'SIGTERM';
/** From the stop signal to SIGKILL. */
export const KILL_AFTER_MS = 30_000;
export const DOCKER_SOCKET = '/var/run/docker.sock';
/** Only the operator knows what a stop command does when it runs a second time. */
export const STOP_IDEMPOTENT = false;
export const ON_SIGN_OUT = 'drain';

export const WRITER = 'runtime';

/** How long one answer of a session source may take. */
export const SOURCE_TIMEOUT_MS = 5_000;
export const TOMCAT_VIA = 'list';

/** A balancer that cannot be asked is waited for: unknown is never zero. */
export const UNREACHABLE = 'wait';
/** Behind an operator's DRAIN nothing is stopped: an old cookie still gets in. */
export const FOREIGN_DRAIN = 'refuse';
/** How long connections are unknown after a reload, where old workers cannot be seen. */
export const RELOAD_GRACE_MS = 10 * 60_000;
/** Of the gate, a warning, a hook, and the command of a condition. */
export const HOOK_TIMEOUT_MS = 10_000;
/** Connections that `force` closes in a second: their users all come back at once, to the other servers. */
export const CLOSE_PER_SECOND = 20;

export const DRAIN_TIMEOUT_MS = 30 * 60_000;
export const DRAIN_ON_TIMEOUT = 'restore';
/** How long zero has to hold. */
export const DRAIN_QUIET_MS = 1_000;
/** How many other usable servers have to remain at every balancer. */
export const DRAIN_KEEP = 1;
/** Whether a backup counts as such a server for an active one. */
export const DRAIN_KEEP_BACKUPS = false;

/** An operator or a script waits for a way back: its time-out is shorter than a drain's. */
export const RETURN_TIMEOUT_MS = 5 * 60_000;
/** The whole share of new users at once: a ramp needs weights above 1. */
export const WARM_UP_MS = 0;
/** The slot is given to the next node at once. */
export const SOAK_MS = 0;

/** One node of a pool after the other. */
export const POOL_SLOTS = 1;
/** The first node that does not come back stops all others. */
export const POOL_BRAKE = 1;

/** Longer than a sidecar takes to start anew, and short enough to learn soon that one is gone. */
export const LOCK_TTL_MS = 30_000;
export const LOCK_TTL_MIN_MS = 5_000;
export const LOCK_TTL_MAX_MS = 10 * 60_000;

export const SCHEDULE_REASON = 'schedule';

/** Bad answers in a row after which a monitor takes the node out, and good ones after which it takes it back. */
export const MONITOR_FALL = 2;
export const MONITOR_RISE = 2;
/** HAProxy's `disable-on-404` takes the 404 for a sign-out; others match the body. */
export const HEALTH_ANSWERS = {
  up: { status: 200, body: 'UP' },
  drain: { status: 404, body: 'DRAIN' },
  down: { status: 503, body: 'DOWN' },
} as const;
export const CONTROL_MODE = 0o600;
export const LOG_LEVEL = 'info';

/** The control socket of a node whose configuration names none. */
export function controlPathOf(node: string): string {
  return `/run/lastcall/${node}.sock`;
}

/** The state file of a node whose configuration names none. */
export function statePathOf(node: string): string {
  return `/var/lib/lastcall/${node}.json`;
}
