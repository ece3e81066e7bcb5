import type { Status } from '../../agent/lifecycle/model/api.ts';
import type { Agent } from './rig.ts';

/** One status as the sidecar reported it. */
export interface Sampled {
  /** When it was heard, by the calendar, in milliseconds. */
  readonly at: number;
  readonly status: Status;
}

/** Every status that a sidecar tells, from now on. */
export interface Samples {
  readonly all: readonly Sampled[];
  /** Resolves with the next one of which this is true. */
  next(what: string, isIt: (status: Status) => boolean): Promise<Status>;
  stop(): Promise<void>;
}

/** Resolves once the first status has been heard. */
export async function recordSamples(agent: Agent): Promise<Samples> {
  const all: Sampled[] = [];
  const watchers = new Set<(status: Status) => void>();
  const closing = new AbortController();
  const recording = (async () => {
    try {
      for await (const { event, data } of agent.client.events(closing.signal)) {
        if (event !== 'status') continue;
        all.push({ at: Date.now(), status: data });
        for (const watcher of watchers) watcher(data);
      }
    } catch (error) {
      if (!closing.signal.aborted) throw error;
    }
  })();
  const next = (what: string, isIt: (status: Status) => boolean): Promise<Status> => {
    const found = new Promise<Status>((resolve) => {
      const watcher = (status: Status): void => {
        if (!isIt(status)) return;
        watchers.delete(watcher);
        resolve(status);
      };
      watchers.add(watcher);
    });
    const ended = recording.then(() => Promise.reject(new Error(`the sidecar ended before ${what}`)));
    return Promise.race([found, ended]);
  };
  await next('its first status', () => true);
  return {
    all,
    next,
    async stop() {
      closing.abort();
      await recording;
    },
  };
}
