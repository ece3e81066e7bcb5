import type { Proof } from '../../../agent/lifecycle/model/observation.ts';
import type { Timeline } from '../world/timeline.ts';

interface Process {
  readonly pid: number;
  readonly bornAt: number;
}

export type StopMode = 'works' | 'fails' | 'early';
/** `denied`: the sidecar's user may not reboot the machine; `never`: it is asked for, and does not come. */
export type RebootMode = 'works' | 'refused' | 'never' | 'denied';
export type StartMode = 'works' | 'fails' | 'unhealthy' | 'slow';

/** The application of one node: its processes, and its pid file. */
export interface SimApp {
  /** The process that listens; null = none. */
  main: Process | null;
  /** One that listens no more and has not ended yet. */
  leaving: Process | null;
  healthy: boolean;
  /** Since when it has been healthy, or was last. */
  wellSince: number;
  gated: boolean;
  /** It asks to be taken out; null = it does not. */
  signedOutAt: number | null;
  /** The one that was let go last. */
  lastSignOut: { readonly since: number; readonly until: number } | null;
  stop: StopMode;
  start: StartMode;
  /** Of its machine. */
  reboot: RebootMode;
  /** The pid in its pid file. */
  pidFile: number;
  /** The wall clock was set since the process began. */
  clockStepped: boolean;
  /** How often an application was started while another one of this node lived. */
  startedTwice: number;
  readonly isAlive: boolean;
  readonly bornAt: number;
  proof(): Proof | null;
  lives(proof: Proof): boolean;
  /** Starts it; `renewsPidFile` false: by another process, which leaves the file as it is. */
  spawn(how: StartMode, renewsPidFile?: boolean): void;
  /** It closes its listener at once, and ends after `leavesMs`. */
  end(leavesMs?: number): void;
  /** It is well from now on, which HAProxy's own check sees too. */
  heal(): void;
  /** It is not well any more, which HAProxy's own check sees too. */
  ail(): void;
  /** Another process in its place, with the same users. */
  reexec(): void;
}

/** @param changed called at each start and end; `keepsUsers` when sessions outlive it */
export function createApp(time: Timeline, changed: (what: 'began' | 'ended') => void): SimApp {
  let pid = 1000;
  const next = (): Process => ({ pid: (pid += 1), bornAt: time.now });
  const proofOf = (process: Process): Proof => ({ pid: process.pid, startTime: `${process.pid}00` });

  const self: SimApp = {
    main: { pid, bornAt: time.now - 3_600_000 },
    leaving: null,
    healthy: true,
    wellSince: -Infinity,
    gated: false,
    signedOutAt: null,
    lastSignOut: null,
    stop: 'works',
    start: 'works',
    reboot: 'works',
    pidFile: pid,
    clockStepped: false,
    startedTwice: 0,
    get isAlive() {
      return self.main !== null || self.leaving !== null;
    },
    get bornAt() {
      return (self.main ?? self.leaving)?.bornAt ?? time.now;
    },
    proof: () => (self.main ? proofOf(self.main) : null),
    lives: ({ pid: wanted }) => self.main?.pid === wanted || self.leaving?.pid === wanted,
    spawn(how, renewsPidFile = true) {
      if (self.main || how === 'fails') return;
      if (self.leaving) self.startedTwice += 1;
      const began = next();
      Object.assign(self, {
        main: began,
        healthy: how === 'works',
        wellSince: time.now,
        gated: false,
        signedOutAt: null,
        lastSignOut: null,
      });
      self.clockStepped = false;
      if (renewsPidFile) self.pidFile = began.pid;
      if (how === 'slow') {
        time.after(time.between(2_000, 9_000), () => {
          if (self.main === began) Object.assign(self, { healthy: true, wellSince: time.now });
          if (self.main === began) changed('began');
        });
      }
      changed('began');
    },
    end(leavesMs = 0) {
      const { main } = self;
      if (!main) return;
      Object.assign(self, { main: null, healthy: false, gated: false, signedOutAt: null, lastSignOut: null });
      if (leavesMs > 0) {
        self.leaving = main;
        time.after(leavesMs, () => {
          if (self.leaving === main) self.leaving = null;
        });
      }
      changed('ended');
    },
    heal() {
      if (!self.main || self.healthy) return;
      Object.assign(self, { healthy: true, wellSince: time.now });
      changed('began');
    },
    ail() {
      if (!self.main || !self.healthy) return;
      self.healthy = false;
      changed('began');
    },
    reexec() {
      if (!self.main) return;
      self.main = next();
      self.pidFile = self.main.pid;
      self.clockStepped = false;
    },
  };
  return self;
}
