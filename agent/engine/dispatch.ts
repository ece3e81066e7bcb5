import type { Effect } from '../lifecycle/model/effect.ts';
import type { Pollers } from './pollers.ts';
import type { Ports } from './ports.ts';
import type { RequestTracker } from './request-tracker.ts';
import { logResult } from './result-log.ts';
import { type UnstampedEvent, runEffect } from './run-effect.ts';
import type { StateFile } from './state-file.ts';
import type { RunningEffects } from './running-effects.ts';

/** What carries effects out. */
export interface DispatchParts {
  readonly node: string;
  readonly ports: Ports;
  readonly pollers: Pollers;
  readonly requests: RequestTracker;
  readonly file: StateFile;
  readonly work: RunningEffects;
  readonly post: (event: UnstampedEvent) => void;
  readonly signal: AbortSignal;
  /** Resolves once the lock knows what has become of the slot, or two seconds later; null = it does. */
  readonly lockKnows: () => Promise<void> | null;
}

/** What an engine that is to be replaced lets come to its end. */
const IS_COMMAND: readonly Effect['type'][] = ['stop', 'start', 'reboot'];

/** @returns carries out one effect; one that takes time posts its answer as an event */
export function createDispatch(parts: DispatchParts): (effect: Effect) => void {
  const { node, ports, pollers, requests, file, work, post, signal } = parts;
  return (effect) => {
    switch (effect.type) {
      case 'poll':
        return pollers.poll(effect.balancer);
      case 'count':
        return pollers.count(effect.source);
      case 'reset-probe':
        return ports.probing?.prober.reset();
      case 'log':
        return ports.log[effect.level](effect.text, { node });
      case 'reply':
        return requests.reply(effect);
      case 'finish':
        return finish(effect, parts);
      case 'slot-freed':
        return requests.slotFreed({ node: effect.node, by: 'lastcall', reason: effect.reason });
      case 'persist':
      case 'survey':
      case 'check':
      case 'set-server':
      case 'set-weight':
      case 'close-connections':
      case 'stop':
      case 'check-stop':
      case 'look-for-life':
      case 'start':
      case 'reboot':
      case 'set-gate':
      case 'send-warning':
      case 'ask-lock':
      case 'read-holder':
      case 'free-holder': {
        const done = runEffect({ ...ports, file }, effect, signal).then(post);
        return work.add(done, IS_COMMAND.includes(effect.type));
      }
      default:
        return effect satisfies never;
    }
  };
}

/**
 * What has changed anything is on disk before a caller gets the result: a crash must not leave the caller in
 * doubt. And the lock knows what has become of the slot: the caller's next command may be for another node of the pool.
 */
function finish(
  effect: Extract<Effect, { type: 'finish' }>,
  { ports, requests, file, work, lockKnows }: DispatchParts,
): void {
  const { result, refused } = effect;
  logResult(ports.log, result, refused);
  const waits = [lockKnows()];
  if (!refused && result.plan === undefined) waits.push(file.keep(result));
  const left = waits.filter((one) => one !== null);
  const kept = left.length === 0 ? null : Promise.all(left).then(() => undefined);
  if (kept !== null) work.add(kept);
  requests.finish(effect, kept);
}
