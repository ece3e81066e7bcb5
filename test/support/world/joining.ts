import type { OperationKind, Request } from '../../../agent/lifecycle/model/api.ts';
import { type Scene, scene } from './scene.ts';

/** Callers who join an operation that is under way. */

type SceneUnderWay = Scene & { readonly running: string };

/** A node whose operation waits for a user. */
export function during(kind: OperationKind, terms: Partial<Request> = {}): SceneUnderWay {
  const it = scene();
  it.site.visit();
  const running = it.ask(kind, terms);
  it.reach('draining');
  it.time.advance(500);
  return { ...it, running };
}

/** Asks, and lets the disk hold it. */
export function join(it: SceneUnderWay, kind: OperationKind, terms: Partial<Request> = {}): string {
  const id = it.ask(kind, terms);
  it.until('the answer', () => it.sidecar.replies.some((reply) => reply.id === id));
  return id;
}
