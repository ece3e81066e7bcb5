/** A promise that was broken: which one, by which rule of the oracle, and what was seen. */
export interface Violation {
  /** Stable: the table of known defects names it. */
  readonly rule: string;
  /** The invariant of INVARIANTS.md, as `I16`. */
  readonly invariant: string;
  readonly what: string;
  readonly at: number;
  /** The last things that happened before it. */
  readonly trace: readonly string[];
}

/** Keeps the first violation of each rule, with the trace that led to it. */
export interface Verdicts {
  readonly violations: readonly Violation[];
  note(line: string): void;
  broken(rule: string, what: unknown): void;
}

const TRACE = 40;

/** Every rule of the oracle, with the invariant, or the level, that it stands for. */
export const RULES = {
  'user thrown out': 'I16',
  'fenced while unknown': 'I7',
  'fenced without quiet': 'zero',
  'MAINT over READY': 'I16',
  'MAINT over READY while it is stopped': 'I16',
  'operator overridden': 'I2',
  'stopped with users': 'I1',
  'stopped with hidden users': 'I1, I7',
  'stopped outside the fence': 'I12',
  'ignored without patience': 'unreachable',
  'stopped with an open gate': 'gate',
  'gate left shut': 'gate',
  'last usable server': 'I11',
  'two fenced': 'I11, keep',
  'kept out while short': 'keep',
  'gone and alive': 'gone',
  'started twice': 'gone',
  'rebooted twice': 'I6',
  'rebooted after a power cut': 'I6',
  'rebooted with users': 'I1',
  'rebooted while it is held': 'I18',
  'rebooted before it is on disk': 'I8',
  'stopped twice': 'I6',
  'stop refused by a clock': 'I13',
  'READY without a probe': 'I15',
  'given back without a probe': 'I15',
  'out without a slot': 'I5',
  'slot kept': 'I5',
  'fenced without a look': 'I5',
  'stopped without a look': 'I5',
  'two out on one slot': 'I5',
  'given before it is back': 'I5',
  'kept in DRAIN without a slot': 'I5',
  'way back waits for the lock': 'I5',
  'soak cut short': 'soak',
  'failed in silence': 'soak',
  'slot lost': 'I5',
  'freed while out': 'I5',
  'out by no name': 'I5',
  'READY over an intent': 'I19',
  'READY over a hold': 'I18',
  'hold lost': 'I18',
  'hold left over': 'I18',
  'hold not set': 'I18',
  'force not heard': '--force',
  'shutdown refused': 'signals',
  'drained in DRAIN': 'joins',
  'terms dropped': 'joins',
  'cancelled by a joiner': 'joins',
  'held without cause': 'held',
  'follow not heard': 'foreignDrain',
  'followed in silence': 'foreignDrain',
  'followed without quiet': 'foreignDrain',
  'refused in silence': 'schedule',
  'sign-out lost': 'sign-out',
  'never expires': 'expires',
  'never ends': 'I14',
  'not answered': 'I14',
  'answered twice': 'I8',
  'accepted and not on disk': 'I8',
  'refused after it was accepted': 'I8',
  'done before it is on disk': 'I8',
  'begun over the guard': 'I11',
  'stopped without a proof': 'I13',
  'drained and not so': 'I7, I12',
  'READY out of turn': 'I9',
  'record forgets': 'I3',
  'forgotten by a crash': 'I3',
  'state lost': 'I3',
  'not put back': 'I4',
  'lost server left out': 'I17',
  'lost server in silence': 'I17',
  'cannot be taken out': 'I14',
  'weight not given back': 'I4',
  'weight overridden': 'I2',
  'weight of nothing': 'I2',
  'whole share at once': 'warmUp',
  'ramp cut short': 'warmUp',
  'done and not so': 'results',
  'warnings without end': 'results',
  'broken sentence': 'results',
  'not pure': 'a pure function',
  broke: 'the lifecycle threw',
} as const;

export type Rule = keyof typeof RULES;

export function createVerdicts(now: () => number): Verdicts {
  const lines: string[] = [];
  const found = new Map<string, Violation>();
  const start = now();
  const stamp = (): string => ((now() - start) / 1000).toFixed(3);
  return {
    get violations() {
      return [...found.values()];
    },
    note(line) {
      if (lines.push(`${stamp()} ${line}`) > TRACE) lines.shift();
    },
    broken(rule, what) {
      if (found.has(rule)) return;
      const text = typeof what === 'string' ? what : JSON.stringify(what);
      const trace = [...lines, `${stamp()} *** ${rule}: ${text}`];
      const invariant = RULES[rule as Rule];
      found.set(rule, { rule, invariant, what: text, at: now(), trace });
    },
  };
}
