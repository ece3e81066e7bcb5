import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { Event } from '../../../agent/lifecycle/model/event.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';
import type { SimDisk } from './disk.ts';
import type { SimLock } from './lock.ts';
import type { SimSite } from './site.ts';
import type { Timeline } from './timeline.ts';

export type SceneEvent = Event extends infer E ? (E extends Event ? Omit<E, 'at'> : never) : never;

/** Hears the one event in which an effect ends. */
export type TellScene = (happening: SceneEvent) => void;

/** An effect that is carried out. */
export type Doing<T extends Effect['type']> = Extract<Effect, { type: T }>;

/** What happened in one step, for the watchers. */
export interface StepTrace {
  readonly before: State;
  readonly event: Event;
  readonly after: State;
  readonly effects: readonly Effect[];
}

export interface SceneWorld {
  readonly time: Timeline;
  /** Of the next boot: a configuration may have changed meanwhile. */
  policy: Policy;
  readonly site: SimSite;
  readonly disk: SimDisk;
  readonly lock: SimLock;
}
