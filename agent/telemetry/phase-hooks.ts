import type { PhaseHookConfig } from '../config/hooks-config.ts';
import type { Service } from '../engine/service.ts';
import type { HookOutcome, PhaseChange, PhaseHook, PhaseHookPorts } from '../hooks/phase-hook.ts';
import type { Clock } from '../system/clock.ts';
import { LastcallError, messageOf } from '../system/error.ts';
import type { LabelledCounts } from '../system/labelled-counts.ts';
import type { Log } from '../system/log-port.ts';
import { watchPhases } from './phase-changes.ts';
import { withAlarms } from './with-alarms.ts';

/** `hooks`: commands and webhooks that are called at phase changes; no operation waits for them. */
export interface PhaseHooks {
  /** The service to be used from now on: a hook that fails is an alarm in its statuses. */
  readonly service: Service;
  /**
   * Begins no more calls. Those that run or wait have five seconds; the rest is dropped, and the log says so.
   */
  close(): Promise<void>;
}

/** The calls of the hooks, by the hook (`hooks[0]`) and their outcome. */
export type HookCounts = LabelledCounts<{ readonly hook: string; readonly outcome: HookOutcome }>;

export interface PhaseHooksPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly runs: HookCounts;
  /** The hooks of the present configuration; asked for at each status. The same array = the same configuration. */
  readonly configs: () => readonly PhaseHookConfig[];
  readonly create: (config: PhaseHookConfig, onOutcome: PhaseHookPorts['onOutcome']) => PhaseHook;
}

/** An alarm of a hook that is seldom called would stay for weeks; the counts and the log have it longer. */
const ALARM_MS = 60 * 60_000;
/** How long the hooks may go on once the sidecar ends, in milliseconds. */
const CLOSING_MS = 5_000;

export function openPhaseHooks(inner: Service, ports: PhaseHooksPorts): PhaseHooks {
  const { clock, configs } = ports;
  const alarms = createHookAlarms(clock, () => changed());
  const { service, changed } = withAlarms(inner, alarms.texts);
  const hooks = createHooks(ports, alarms.set);
  const use = (): void => hooks.use(configs());
  use();
  // The first status of an engine that follows another one (SIGHUP): an alarm of a hook that has left ends with it.
  const unwatchConfigs = inner.watch({ status: use, result: () => undefined });
  const unwatch = watchPhases(inner, ports, (change) => hooks.tell(change));
  return {
    service,
    async close() {
      unwatchConfigs();
      unwatch();
      const over = new AbortController();
      const cancel = clock.after(CLOSING_MS, () =>
        over.abort(new LastcallError('interrupted', 'lastcall is ending')),
      );
      await hooks.ended(over.signal);
      cancel();
      // A call that this has ended has left an alarm.
      alarms.close();
    },
  };
}

interface HookAlarms {
  readonly texts: () => readonly string[];
  readonly set: OnAlarm;
  close(): void;
}

/** One alarm for each hook: until the next one, or for an hour. */
function createHookAlarms(clock: Clock, changed: () => void): HookAlarms {
  const alarms = new Map<string, { readonly text: string; readonly cancel: () => void }>();
  const end = (name: string): void => {
    alarms.get(name)?.cancel();
    alarms.delete(name);
  };
  return {
    texts: () => [...alarms.values()].map(({ text }) => text),
    set(name, text) {
      const isNew = alarms.get(name)?.text !== text;
      end(name);
      const over = (): void => {
        end(name);
        changed();
      };
      if (text !== undefined) alarms.set(name, { text, cancel: clock.after(ALARM_MS, over) });
      if (isNew) changed();
    },
    close() {
      for (const name of alarms.keys()) alarms.get(name)?.cancel();
    },
  };
}

interface Hooks {
  /** Calls these hooks from now on; one that was there before keeps its waiting calls. */
  use(configs: readonly PhaseHookConfig[]): void;
  tell(change: PhaseChange): void;
  ended(signal: AbortSignal): Promise<void>;
}

/** A hook of the present configuration. */
interface UsedHook {
  readonly hook: PhaseHook;
  readonly report: HookReport;
}

/** @param onAlarm undefined = there is none any more */
function createHooks(ports: PhaseHooksPorts, onAlarm: OnAlarm): Hooks {
  let used: readonly PhaseHookConfig[] = [];
  let hooks = new Map<string, UsedHook>();
  /** Hooks that have left the configuration, and whose waiting calls are still made. */
  const leaving = new Set<PhaseHook>();
  const create = (name: string, config: PhaseHookConfig): UsedHook => {
    const report = createReport(name, ports, onAlarm);
    return { hook: ports.create(config, report.onOutcome), report };
  };
  const leave = ({ hook, report }: UsedHook): void => {
    report.retire();
    leaving.add(hook);
    void hook.ended(NEVER).then(() => leaving.delete(hook));
  };
  return {
    use(configs) {
      if (configs === used) return;
      used = configs;
      const before = hooks;
      const named = configs.map((config, index) => [`hooks[${index}]`, config] as const);
      const keyOf = (name: string, config: PhaseHookConfig): string => `${name} ${JSON.stringify(config)}`;
      for (const [key, one] of before)
        if (!named.some(([name, config]) => keyOf(name, config) === key)) leave(one);
      hooks = new Map(
        named.map(([name, config]) => {
          const key = keyOf(name, config);
          return [key, before.get(key) ?? create(name, config)];
        }),
      );
    },
    tell(change) {
      for (const { hook } of hooks.values()) hook.tell(change);
    },
    async ended(signal) {
      const all = [...leaving, ...[...hooks.values()].map(({ hook }) => hook)];
      await Promise.all(all.map((hook) => hook.ended(signal)));
    },
  };
}

/** A hook that has left is ended with the sidecar. */
const NEVER = new AbortController().signal;

type OnAlarm = (name: string, alarm: string | undefined) => void;

interface HookReport {
  readonly onOutcome: PhaseHookPorts['onOutcome'];
  /** Its alarm is gone, and it has no more of them. */
  retire(): void;
}

/** Counts and logs the outcomes of one hook's calls. Of changes for which it is too slow, the first is logged, and their number. */
function createReport(name: string, { log, runs }: PhaseHooksPorts, onAlarm: OnAlarm): HookReport {
  let alarm = onAlarm;
  let dropped = 0;
  const notCalled = (phase: string, why: string): void =>
    alarm(name, `${name} was not called for ${phase}: ${why}`);
  return {
    onOutcome(outcome, { phase }, error) {
      runs.add({ hook: name, outcome });
      const about = { hook: name, phase };
      if (outcome === 'dropped') {
        dropped += 1;
        if (dropped === 1)
          log.warn('a hook is too slow, or lastcall ends: it is not called for this phase', about);
        return notCalled(phase, 'it is too slow');
      }
      if (dropped > 1) log.warn('a hook was not called for so many phases', { hook: name, dropped });
      dropped = 0;
      if (outcome === 'done') {
        log.info('a hook was called for the phase', about);
        return alarm(name, undefined);
      }
      log.warn('a hook could not be called for the phase', { ...about, error });
      notCalled(phase, messageOf(error));
    },
    retire() {
      alarm(name, undefined);
      alarm = () => undefined;
    },
  };
}
