import type { RebootMode, StartMode, StopMode } from './app.ts';
import type { LbServer } from './balancer.ts';
import type { Dimension } from './dimensions.ts';
import type { Mode } from './line.ts';
import { ON_TIMEOUT, anyKind, plain, submit, type Weighted } from './deed-makers.ts';

/** Of the nodes of a pool, each of which wants its slot. */
const OUTWARD_EVERYWHERE = submit(
  (draw) => ({ kind: draw.pick('stop', 'restart', 'drain'), waitForSlotMs: draw.pick(null, 8_000) }),
  true,
);

/** What each dimension adds to the deeds of all. */
export const MORE: Record<Dimension, Weighted> = {
  forgets: [
    [4, plain('leak')],
    [3, plain('slip')],
    [3, () => ({ do: 'reload', keepsState: false })],
    [2, (draw) => ({ do: 'crash', leak: true, awayMs: draw.below(300) })],
  ],
  disk: [[4, plain('disk')]],
  probe: [[3, submit((draw) => ({ kind: draw.pick('ready', 'restart') }))]],
  operators: [
    [4, (draw) => ({ do: 'operator', admin: draw.pick('ready', 'drain', 'maint') })],
    [3, submit((draw) => ({ kind: anyKind(draw), force: true }))],
  ],
  follow: [
    [6, (draw) => ({ do: 'operator', admin: draw.pick('ready', 'drain', 'drain') })],
    [4, submit((draw) => ({ kind: draw.pick('drain', 'stop', 'stop', 'restart') }))],
    [3, plain('click')],
    [3, plain('leave')],
  ],
  'on-timeout': [[3, plain('click')]],
  'no-fence': [
    [6, submit(() => ({ kind: 'drain', fence: false }))],
    [4, submit((draw) => ({ kind: draw.pick('stop', 'drain') }))],
    [4, plain('click')],
    [3, plain('source')],
    [3, (draw) => ({ do: 'mode', mode: draw.pick<Mode>('answers', 'refuses') })],
  ],
  failures: [
    [3, plain('die')],
    [3, plain('leak')],
    [4, (draw) => ({ do: 'stop-mode', stop: draw.pick<StopMode>('works', 'fails') })],
    [4, (draw) => ({ do: 'start-mode', start: draw.pick<StartMode>('works', 'fails', 'unhealthy') })],
    [4, submit((draw) => ({ kind: draw.pick('stop', 'ready', 'restart') }))],
  ],
  hold: [
    [1, plain('leak')],
    [5, submit((draw) => ({ kind: 'hold', reason: 'why', holdIn: draw.pick('drain', 'maint') }))],
    [4, submit(() => ({ kind: 'release' }))],
    [3, submit((draw) => ({ kind: anyKind(draw), force: true }))],
    [2, plain('cancel')],
  ],
  'dry-run': [
    [5, submit((draw) => ({ kind: anyKind(draw), dryRun: true, force: draw.chance(0.3) }))],
    [2, submit(() => ({ kind: 'hold', reason: 'why' }))],
  ],
  'refused-force': [
    [3, submit(() => ({ kind: 'hold', reason: 'why' }))],
    [5, submit((draw) => ({ kind: anyKind(draw), force: true }))],
    [2, (draw) => ({ do: 'mode', mode: draw.pick<Mode>('refuses', 'answers') })],
  ],
  'no-refuse': [
    [8, submit((draw) => ({ kind: draw.pick('drain', 'drain', 'stop'), noRefuse: true }))],
    [4, (draw) => ({ do: 'others', others: draw.pick(0, 0, 1, 2, null) })],
    [3, (draw) => ({ do: 'operator', admin: draw.pick('ready', 'drain', 'maint') })],
    [3, plain('click')],
  ],
  joins: [
    [
      8,
      submit((draw) => ({
        kind: draw.pick('drain', 'drain', 'stop', 'restart'),
        fence: draw.chance(0.5),
        timeoutMs: draw.pick(null, null, 2_000),
        onTimeout: draw.pick(null, ...ON_TIMEOUT),
        expiresMs: null,
      })),
    ],
    [2, plain('visit')],
  ],
  'cancel-ids': [
    [6, plain('cancel-any')],
    [5, submit((draw) => ({ kind: draw.pick('drain', 'stop', 'restart') }))],
  ],
  expires: [
    [4, plain('leave')],
    [
      5,
      submit((draw) => ({
        kind: 'drain',
        expiresMs: draw.pick(1_500, 3_000),
        onTimeout: draw.pick(null, ...ON_TIMEOUT),
      })),
    ],
    [3, (draw) => ({ do: 'operator', admin: draw.pick('ready', 'drain') })],
  ],
  ignore: [
    [4, (draw) => ({ do: 'mode', mode: draw.pick<Mode>('silent', 'refuses', 'answers') })],
    [4, (draw) => ({ do: 'linger', lastsMs: 2_000 + draw.below(8_000) })],
  ],
  'no-master': [
    [5, (draw) => ({ do: 'linger', lastsMs: 5_000 + draw.below(9_000) })],
    [4, (draw) => ({ do: 'reload', keepsState: draw.chance(0.5) })],
    [3, (draw) => ({ do: 'crash', leak: false, awayMs: 500 + draw.below(2_000) })],
    [3, plain('leave')],
  ],
  kernel: [
    [5, (draw) => ({ do: 'linger', lastsMs: 5_000 + draw.below(9_000) })],
    [4, (draw) => ({ do: 'reload', keepsState: draw.chance(0.5) })],
    [2, (draw) => ({ do: 'crash', leak: false, awayMs: 500 + draw.below(2_000) })],
    [3, plain('leave')],
  ],
  pollers: [
    [3, plain('click')],
    [2, () => ({ do: 'reload', keepsState: false })],
  ],
  gains: [
    [5, plain('reconfigure')],
    [3, submit(() => ({ kind: 'stop' }))],
  ],
  losses: [
    [5, plain('reconfigure')],
    [3, submit((draw) => ({ kind: draw.pick('drain', 'ready') }))],
  ],
  renames: [
    [5, plain('reconfigure')],
    [3, submit(() => ({ kind: 'stop' }))],
  ],
  'sign-out': [
    [4, plain('sign-out')],
    [3, (draw) => ({ do: 'others', others: draw.pick(0, 2, 2) })],
  ],
  schedule: [
    [6, submit((draw) => ({ kind: draw.pick('restart', 'stop'), by: 'schedule', reason: 'weekly' }))],
  ],
  signals: [[6, plain('signal')]],
  'signal-disk': [
    [5, plain('signal')],
    [4, plain('disk')],
  ],
  neighbours: [
    [5, (draw) => ({ do: 'others', others: draw.pick(0, 0, 1, 2, null) })],
    [4, submit(() => ({ kind: 'stop' }))],
    [3, plain('visit')],
    [5, (draw) => ({ do: 'linger', lastsMs: 7_000 + draw.below(6_000) })],
    [3, plain('leave')],
  ],
  pool: [
    [9, submit((draw) => ({ kind: draw.pick('stop', 'restart') }), true)],
    [5, (draw) => ({ do: 'others', others: draw.pick(0, 0, 0, 1) })],
    [4, plain('leave')],
  ],
  slots: [
    [9, OUTWARD_EVERYWHERE],
    [4, submit(() => ({ kind: 'ready' }), true)],
    [3, plain('leave')],
    [3, plain('lock')],
    [5, plain('free')],
    [2, plain('lose-holder')],
    [2, plain('rename-holder')],
    [3, plain('visit')],
    [2, (draw) => ({ do: 'start-mode', start: draw.pick<StartMode>('works', 'works', 'fails') })],
  ],
  neighbour: [
    [7, OUTWARD_EVERYWHERE],
    [4, submit(() => ({ kind: 'ready' }), true)],
    [6, (draw) => ({ do: 'neighbour', to: draw.pick('take', 'take', 'fail', 'die', 'give', 'give') })],
    [3, plain('slow-lock')],
    [3, plain('kill-holder')],
    [3, plain('leave')],
  ],
  soak: [
    [6, OUTWARD_EVERYWHERE],
    [5, submit((draw) => ({ kind: draw.pick('ready', 'ready', 'restart') }), true)],
    [3, plain('ail')],
    [2, plain('die')],
    [2, plain('revive')],
    [2, plain('free')],
    [2, plain('kill-holder')],
    [3, plain('leave')],
  ],
  'same-pid': [
    [4, plain('snapshot')],
    [4, (draw) => ({ do: 'restart', keepsState: draw.chance(0.8) })],
  ],
  'clock-steps': [
    [5, plain('clock')],
    [3, submit(() => ({ kind: 'stop' }))],
  ],
  'stale-pid': [
    [5, plain('swap-unnoticed')],
    [3, submit(() => ({ kind: 'stop' }))],
    [2, (draw) => ({ do: 'crash', leak: true, awayMs: draw.below(3_000), revives: true })],
  ],
  'other-hand': [
    [4, plain('swap')],
    [4, plain('revive')],
    [3, (draw) => ({ do: 'start-mode', start: draw.pick<StartMode>('works', 'slow', 'slow') })],
    [3, submit((draw) => ({ kind: draw.pick('ready', 'drain', 'stop') }))],
    [5, (draw) => ({ do: 'crash', leak: true, awayMs: draw.below(3_000), revives: true })],
  ],
  'early-stop': [
    [3, (draw) => ({ do: 'stop-mode', stop: draw.pick<StopMode>('early', 'early', 'works') })],
    [4, submit((draw) => ({ kind: draw.pick('stop', 'restart') }))],
  ],
  container: [[5, plain('container')]],
  elapsed: [
    [4, plain('deny')],
    [3, submit((draw) => ({ kind: draw.pick('drain', 'stop') }))],
  ],
  'newer-record': [[4, plain('newer')]],
  gate: [
    [4, plain('disk')],
    [3, plain('die')],
  ],
  ramp: [
    [6, submit((draw) => ({ kind: draw.pick('ready', 'ready', 'restart') }))],
    [3, (draw) => ({ do: 'weigh', weight: draw.pick(1, 31, 77, 100) })],
    [2, () => ({ do: 'reload', keepsState: false })],
    [2, (draw) => ({ do: 'mode', mode: draw.pick<Mode>('answers', 'answers', 'refuses', 'slow') })],
  ],
  covers: [
    [
      4,
      (draw) => ({
        do: 'cover',
        over: draw.pick<NonNullable<LbServer['over']>>(
          { admin: 'maint', by: 'resolution' },
          { admin: 'maint', by: 'tracked' },
          { admin: 'drain', by: 'tracked' },
        ),
      }),
    ],
    [3, plain('click')],
  ],
  lines: [
    [4, plain('line')],
    [3, plain('visit')],
  ],
  reboot: [
    [8, submit((draw) => ({ kind: 'reboot', by: draw.pick('test', 'schedule'), force: draw.chance(0.1) }))],
    [3, submit((draw) => ({ kind: draw.pick('drain', 'stop', 'restart', 'ready') }))],
    [
      3,
      (draw) => ({
        do: 'reboot-mode',
        reboot: draw.pick<RebootMode>('works', 'works', 'refused', 'never', 'denied'),
      }),
    ],
    [3, (draw) => ({ do: 'power-cut', starts: draw.chance(0.5) })],
    [2, (draw) => ({ do: 'start-mode', start: draw.pick<StartMode>('works', 'works', 'fails') })],
    [1, plain('leave')],
  ],
  reexec: [
    [4, plain('reexec')],
    [3, plain('click')],
  ],
};
