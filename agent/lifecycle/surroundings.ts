import { ON_THE_WAY_OUT } from './operation.ts';
import { emit, patchBalancer, type Turn } from './turn.ts';
import type { Survey } from './view.ts';

/** What is known of the servers around ours, by surveys: no poll asks for it. */

/** Keeps what a survey told of the servers around ours: for `status`, and for a stop of a node that is out already. */
export function remember(turn: Turn, balancer: string, { facts, relatives }: Survey): void {
  if (relatives !== null) patchBalancer(turn, balancer, { around: { at: turn.at, facts, relatives } });
}

/** A reload may have brought servers that nobody knew: asked once, for the operation on its way out. */
export function surveyAfterReload(turn: Turn, balancer: string): void {
  const { op, phase } = turn.state;
  const counts = turn.policy.balancers.some(({ name, counts: does }) => name === balancer && does);
  if (op === null || !counts || !ON_THE_WAY_OUT.includes(phase)) return;
  emit(turn, { type: 'survey', id: op.id, balancer, scope: 'reload' });
}
