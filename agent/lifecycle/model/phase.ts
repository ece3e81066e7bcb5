import type { Phase } from './api.ts';

/**
 * The traits of each phase. All that depends on the phase alone is in this table, and no other file lists phases: a
 * new phase does not compile before each of these is given.
 */
export interface PhaseTraits {
  /**
   * `unknown`: not known yet; `rotation`: in service; `outward`: during a drain, or out with an application that
   * was not stopped; `out`: what comes after that; `back`: READY, or the found state, is being read back.
   */
  readonly place: 'unknown' | 'rotation' | 'outward' | 'out' | 'back';
  /** Sessions are waited for: the warnings before the deadline, the estimate and the list of holders are of use. */
  readonly waits: boolean;
  /** The wait is over: its users are gone, or were made to go. */
  readonly over: boolean;
  /** The stop is under way: the application may end at any moment. */
  readonly ending: boolean;
  /** What a cancel does: puts back what was found, leaves the node where it is, or comes too late. */
  readonly cancel: 'restore' | 'stay' | 'too-late';
  /** Whether the application has to refuse new sessions; `fenced`: `on` but for `--no-fence`; `keep`: as it is. */
  readonly gate: 'on' | 'off' | 'fenced' | 'keep' | 'off-once-alive';
  /** How often balancers and sources are asked (timing.ts). */
  readonly pace: 'rest' | 'near' | 'draining' | 'settling' | 'drained' | 'stopping' | 'out' | 'returning';
  /** How often the application is asked while an operation waits for it: as configured, or four times a second (I15). */
  readonly probes: 'every' | 'often';
  /**
   * What a node in this phase without an operation means to the others of its pool: in service, or out as it was left;
   * `late`: it did not come back where the operation that was to bring it back has failed; `failed`: it did not.
   */
  readonly alone: 'home' | 'out' | 'late' | 'failed';
  /** The answer to monitors whose state no operation sets (balancers/health-port/answer.ts). */
  readonly monitors: 'nothing' | 'up' | 'down' | 'by-fence' | 'by-health' | 'by-both';
}

const SERVING: PhaseTraits = {
  place: 'rotation',
  waits: false,
  over: false,
  ending: false,
  cancel: 'too-late',
  gate: 'off',
  pace: 'rest',
  probes: 'every',
  alone: 'home',
  monitors: 'by-health',
};
const BOOTING: PhaseTraits = {
  ...SERVING,
  place: 'unknown',
  cancel: 'restore',
  gate: 'keep',
  pace: 'near',
  monitors: 'nothing',
};
const DRAINING: PhaseTraits = {
  place: 'outward',
  waits: true,
  over: false,
  ending: false,
  cancel: 'restore',
  gate: 'off',
  pace: 'draining',
  probes: 'every',
  alone: 'out',
  monitors: 'up',
};
const STOPPED: PhaseTraits = {
  place: 'out',
  waits: false,
  over: true,
  ending: false,
  cancel: 'too-late',
  gate: 'keep',
  pace: 'out',
  probes: 'every',
  alone: 'out',
  monitors: 'down',
};

export const PHASES: Readonly<Record<Phase, PhaseTraits>> = {
  starting: BOOTING,
  recovering: BOOTING,
  serving: SERVING,
  unhealthy: SERVING,
  draining: DRAINING,
  settling: { ...DRAINING, pace: 'settling' },
  fencing: { ...DRAINING, gate: 'on', pace: 'near' },
  drained: {
    ...DRAINING,
    waits: false,
    over: true,
    gate: 'fenced',
    pace: 'drained',
    monitors: 'by-fence',
  },
  stopping: { ...STOPPED, ending: true, pace: 'stopping' },
  stopped: STOPPED,
  warming: {
    ...STOPPED,
    over: false,
    cancel: 'stay',
    gate: 'off-once-alive',
    probes: 'often',
    alone: 'late',
  },
  returning: { ...SERVING, place: 'back', pace: 'returning', probes: 'often', alone: 'late' },
  failed: { ...STOPPED, over: false, pace: 'rest', alone: 'failed', monitors: 'by-both' },
};

/** On the way out: it can still be given up, and what was found put back. */
export function isOutward(phase: Phase): boolean {
  return PHASES[phase].place === 'outward';
}

/** New users may be there, or on their way: a request begins with a survey, and with DRAIN. */
export function isInRotation(phase: Phase): boolean {
  return PHASES[phase].place === 'rotation' || PHASES[phase].place === 'back';
}

/** Something is wanted of every balancer that keeps new users away. */
export function isOut(phase: Phase): boolean {
  return isOutward(phase) || PHASES[phase].place === 'out';
}
