import type { Effect } from '../../../agent/lifecycle/model/effect.ts';
import type { Event } from '../../../agent/lifecycle/model/event.ts';
import type { OperationKind, Request, Result } from '../../../agent/lifecycle/model/api.ts';
import type { Policy } from '../../../agent/lifecycle/model/policy.ts';
import type { State } from '../../../agent/lifecycle/model/state.ts';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';
import type { SimLock } from '../world/lock.ts';
import type { SimDisk } from '../world/disk.ts';
import type { Timeline } from '../world/timeline.ts';
import type { SimApp } from './app.ts';
import type { LbServer, SimLb } from './balancer.ts';
import type { Coverage } from './coverage.ts';
import type { Knowledge } from './knowledge.ts';
import type { People } from './people.ts';
import type { Layout } from './policies.ts';
import type { Prober } from './prober.ts';
import type { Verdicts } from './violation.ts';

/** Everything there is: time, balancers, nodes, users, and the one who judges. */
export interface World {
  readonly time: Timeline;
  readonly lbs: readonly SimLb[];
  readonly people: People;
  readonly nodes: readonly SimNode[];
  readonly verdicts: Verdicts;
  readonly coverage: Coverage;
  /** Each step is taken twice, on frozen values: whether `step` is a pure function. */
  readonly isStrict: boolean;
  /** Sources that fail at present. */
  readonly failing: Set<string>;
  /** Of the pool that its nodes are of, where there is one. */
  readonly lock: SimLock;
  /** When another hand freed the slot of each node last. */
  readonly freedAt: Map<number, number>;
  lb(name: string): SimLb;
}

/** The world with what stands still in it. */
export interface Stage extends World {
  readonly layout: Layout;
  /** Which of the two configurations each node has at its next boot. */
  readonly version: (0 | 1)[];
}

/** One node: its application, its disk, and the sidecar of the present life. */
export interface SimNode {
  readonly index: number;
  readonly app: SimApp;
  readonly disk: SimDisk;
  readonly prober: Prober;
  /** Of the present life; the next boot may have another. */
  policy: Policy;
  readonly state: State;
  readonly running: boolean;
  /** How many lives it has had before this one. */
  readonly life: number;
  readonly known: Knowledge;
  /** Since when it is on the way back, where that leads over `warming`; null = it is not. */
  readonly warmingSince: number | null;
  /** When it last did more than ask; Infinity while something is to fall due. */
  readonly busyAt: number;
  boot(policy: Policy): void;
  /** kill -9: nothing of it is left but the disk, and what is on its way to a balancer or to the application. */
  crash(): void;
  /** The machine goes off, and is up again some seconds later. @param starts the boot starts the application */
  powerCycle(starts: boolean): void;
  /** How often its machine has booted. */
  readonly boots: number;
  submit(request: Request): void;
  cancel(id: string): void;
  secondSignal(): void;
  post(happening: Happening): void;
}

export type Happening = Event extends infer E ? (E extends Event ? Omit<E, 'at'> : never) : never;

/** Hears the one event in which an effect ends. */
export type TellNode = (happening: Happening) => void;

export type EffectOf<T extends Effect['type']> = Extract<Effect, { type: T }>;

/** One step of one sidecar. */
export interface Taken {
  readonly node: SimNode;
  readonly before: State;
  readonly event: Event;
  readonly after: State;
  readonly effects: readonly Effect[];
}

/** A write that reaches a server: the state before it, and what its sidecar knew when it sent it. */
export interface Written {
  readonly node: SimNode;
  readonly lb: SimLb;
  readonly server: LbServer;
  readonly admin: Admin;
  readonly there: Admin;
  readonly issued: Issued;
}

/** A weight that reaches a server. */
export interface Weighed extends Omit<Written, 'admin' | 'there'> {
  readonly weight: number;
}

/** The moment in which a sidecar sent a write. */
export interface Issued {
  readonly known: Knowledge;
  readonly state: State;
  /** Good probes in a row that were begun since its way back began; 0 for writes without a probe. */
  readonly goodProbes: number;
}

/** Judges from outside. */
export interface Oracle {
  watch(taken: Taken): void;
  written(word: Written): void;
  weighed(word: Weighed): void;
  submitted(node: SimNode, request: Request): void;
  cancelled(node: SimNode, id: string): void;
  crashed(node: SimNode): void;
  booted(node: SimNode): void;
  /** Everything has come to rest, in a world that answers, or does not. */
  rested(answers: boolean): void;
  result(node: SimNode, id: string): Result | undefined;
}

export const KINDS: readonly OperationKind[] = ['drain', 'stop', 'ready', 'restart'];
