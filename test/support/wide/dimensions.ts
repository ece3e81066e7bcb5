/** What a campaign can do beside the base: each name switches on deeds, policies or both (deeds.ts, policies.ts). */
export const DIMENSIONS = {
  forgets: 'reloads that forget our words, and a user who comes right after',
  disk: 'a disk that cannot be written',
  probe: 'a probe: `warming` and `returning` wait for it',
  operators: 'MAINT, DRAIN and READY by other hands, and `--force` over them',
  'on-timeout': '`drain.onTimeout` hold and force',
  'no-fence': 'drains that stay in DRAIN (`--no-fence`), and what is asked on top of them',
  failures: 'stops that do not end, starts that fail or bring an unhealthy application',
  hold: 'hold in DRAIN and MAINT, release, and `--force` over a hold',
  'dry-run': '`--dry-run` of every kind',
  'refused-force': '`--force` on requests that are refused for another reason',
  joins: 'requests that join a running operation of their kind with other terms',
  'cancel-ids': 'cancel by any id: the operation’s, a joiner’s, one that is over',
  expires: 'drains that expire',
  ignore: '`unreachable: ignore`',
  'no-master': 'no master socket: old workers keep connections that no look shows',
  kernel: 'no master socket, and a source that asks the kernel (`kernelSource`)',
  pollers: 'a balancer that only polls (`counts: false`)',
  gains: 'a configuration that gains a server or a balancer between two boots',
  losses: 'a configuration that loses a server or a balancer between two boots',
  renames: 'a backend that has another name after a boot',
  'sign-out': 'an application that signs itself out, as a level that stands',
  schedule: 'operations by the calendar',
  signals: 'SIGTERM under `run -- COMMAND`, in every phase',
  'signal-disk': 'SIGTERM while the disk cannot be written',
  neighbours: 'other servers of the backend go and come',
  pool: 'two nodes of one pool, each with its sidecar, asked at once',
  'same-pid': 'an HAProxy that comes back with the same pid, and an older state file',
  'clock-steps': 'the wall clock is set; today’s pid file check takes part in it',
  'stale-pid': 'the application is restarted by another process and the pid file is not renewed',
  'other-hand':
    'the application is restarted, or started while it is out, by another process; it warms up slowly',
  'early-stop': 'a stop command that returns before the application has ended',
  container: 'the container with application and sidecar is restarted',
  elapsed: 'errors whose text tells an elapsed time',
  'newer-record': 'a record of a newer version, with a phase that this one lacks',
  gate: '`drain.gate`, and a disk that fails',
  reexec: 'the application replaces its own process and keeps its users',
} as const satisfies Record<string, string>;

export type Dimension = keyof typeof DIMENSIONS;

export const ALL = Object.keys(DIMENSIONS) as Dimension[];
