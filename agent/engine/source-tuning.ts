import { isInRotation, isOutward } from '../lifecycle/phases.ts';
import type { State } from '../lifecycle/state.ts';
import type { Log } from '../system/log-port.ts';
import type { Source } from '../sessions/source.ts';
import { sentence } from '../system/error-text.ts';

/**
 * Settings of the application that make it count better while the node is out. They are a convenience: a failure is
 * logged and ignored, and nothing waits for it.
 */
export interface Outings {
  /** What was found, by source: kept with the next record. */
  readonly found: () => Readonly<Record<string, string>>;
  /** What a sidecar before us had found. */
  resume(found: Readonly<Record<string, string>>): void;
  /** The phase may be another one. */
  adjust(state: State): void;
}

export function createOutings(sources: readonly Source[], log: Log, signal: AbortSignal): Outings {
  const found = new Map<string, string>();
  const busy = new Set<string>();
  const asked = new Set<string>();

  const begin = async ({ name, outing }: Source): Promise<void> => {
    asked.add(name);
    const value = await outing?.begin(signal);
    if (value !== undefined) found.set(name, value);
  };
  const end = async ({ name, outing }: Source): Promise<void> => {
    const value = found.get(name);
    found.delete(name);
    asked.delete(name);
    if (value !== undefined) await outing?.end(value, signal);
  };
  const run = async (source: Source, work: (source: Source) => Promise<void>): Promise<void> => {
    busy.add(source.name);
    try {
      await work(source);
    } catch (error) {
      if (!signal.aborted) log.warn(`${source.name}: ${sentence(error)}`);
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
    adjust({ phase, app }) {
      for (const source of sources.filter(({ outing, name }) => outing && !busy.has(name))) {
        if (isOutward(phase) && !asked.has(source.name) && !app.gone) void run(source, begin);
        else if (isInRotation(phase) && asked.has(source.name)) void run(source, end);
      }
    },
  };
}
