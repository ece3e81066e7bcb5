import { isInRotation, isOutward } from '../lifecycle/model/phase.ts';
import type { State } from '../lifecycle/model/state.ts';
import type { Log } from '../system/log-port.ts';
import type { Source } from '../sessions/source.ts';
import { errorText } from '../system/error-text.ts';

/**
 * Settings of the application that make it count better while the node is out. They are a convenience: a failure is
 * logged and ignored, and nothing waits for it.
 */
export interface TunedSources {
  /** What was found, by source: kept with the next record. */
  readonly found: () => Readonly<Record<string, string>>;
  /** What a sidecar before us had found. */
  resume(found: Readonly<Record<string, string>>): void;
  /** The phase may be another one. */
  follow(state: State): void;
}

export function createTunedSources(sources: readonly Source[], log: Log, signal: AbortSignal): TunedSources {
  const found = new Map<string, string>();
  const busy = new Set<string>();
  const asked = new Set<string>();

  const apply = async ({ name, tuning }: Source): Promise<void> => {
    asked.add(name);
    const value = await tuning?.apply(signal);
    if (value !== undefined) found.set(name, value);
  };
  const restore = async ({ name, tuning }: Source): Promise<void> => {
    const value = found.get(name);
    found.delete(name);
    asked.delete(name);
    if (value !== undefined) await tuning?.restore(value, signal);
  };
  const run = async (source: Source, work: (source: Source) => Promise<void>): Promise<void> => {
    busy.add(source.name);
    try {
      await work(source);
    } catch (error) {
      if (!signal.aborted) log.warn(`${source.name}: ${errorText(error)}`);
    } finally {
      busy.delete(source.name);
    }
  };

  return {
    found: () => Object.fromEntries(found),
    resume(before) {
      for (const [name, value] of Object.entries(before)) {
        found.set(name, value);
        asked.add(name);
      }
    },
    follow({ phase, app }) {
      for (const source of sources.filter(({ tuning, name }) => tuning && !busy.has(name))) {
        if (isOutward(phase) && !asked.has(source.name) && !app.gone) void run(source, apply);
        else if (isInRotation(phase) && asked.has(source.name)) void run(source, restore);
      }
    },
  };
}
