import type { Request } from '../../../agent/lifecycle/model/api.ts';
import type { LbServer } from './balancer.ts';
import type { RebootMode, StartMode, StopMode } from './app.ts';
import type { Mode } from './line.ts';

export type NeighbourDeed = 'take' | 'fail' | 'die' | 'give';
export type Asked = Omit<Request, 'id'>;

/** One thing that happens, after a pause; `which` picks among nodes, balancers, servers, users and ids. */
export type Deed = { readonly after: number; readonly which: number } & (
  | { readonly do: 'submit'; readonly request: Asked; readonly everywhere?: boolean }
  | { readonly do: 'operator'; readonly admin: 'ready' | 'drain' | 'maint' }
  | { readonly do: 'weigh'; readonly weight: number }
  | { readonly do: 'reload'; readonly keepsState: boolean }
  | { readonly do: 'restart'; readonly keepsState: boolean }
  /**
   * While the sidecar is away, `revives`: another hand starts the application; `leak`: a reload forgets, and a user comes
   * right after it.
   */
  | { readonly do: 'crash'; readonly leak: boolean; readonly awayMs: number; readonly revives?: boolean }
  | { readonly do: 'mode'; readonly mode: Mode }
  /** DNS or a tracked server puts its state over the server's own, and takes it away the next time. */
  | { readonly do: 'cover'; readonly over: NonNullable<LbServer['over']> }
  | { readonly do: 'others'; readonly others: number | null }
  | { readonly do: 'start-mode'; readonly start: StartMode }
  | { readonly do: 'stop-mode'; readonly stop: StopMode }
  | { readonly do: 'reboot-mode'; readonly reboot: RebootMode }
  /** A power cut; `starts`: the boot starts the application by itself. */
  | { readonly do: 'power-cut'; readonly starts: boolean }
  /** Of the node of the pool that has no sidecar here. */
  | { readonly do: 'neighbour'; readonly to: NeighbourDeed }
  | { readonly do: 'linger'; readonly lastsMs: number }
  | { readonly do: Plain }
);

/** Deeds that need no more than their name. */
export const PLAIN = [
  'cancel',
  'cancel-any',
  'signal',
  'visit',
  'click',
  'leave',
  'enqueue',
  /** A user with an old cookie begins a session in the moment in which MAINT takes the place of DRAIN. */
  'slip',
  'die',
  'revive',
  'swap',
  'swap-unnoticed',
  'reexec',
  'source',
  'telling',
  'deny',
  'master',
  'disk',
  'leak',
  'snapshot',
  'clock',
  'sign-out',
  'reconfigure',
  'container',
  'newer',
  /** The lock answers no more, and the next time again. */
  'lock',
  /** It takes its time, and answers too late at times; and the next time no more. */
  'slow-lock',
  /** Another hand frees the slot of a node (`unlock`). */
  'free',
  /** kill -9 of the sidecar of the node that holds a slot, and a start some seconds later. */
  'kill-holder',
  /** The same for so long that a node that waits frees its slot; at times every HAProxy forgets what it was told. */
  'lose-holder',
  /** The same, of a holder that has started with the other configuration some seconds before. */
  'rename-holder',
  /** The application is not well any more, or is again. */
  'ail',
  /** A reload removes the server's line, and the next time brings it back. */
  'line',
] as const;
export type Plain = (typeof PLAIN)[number];
