import { slotWaitText } from '../observed/pool-text.ts';
import { unknownTo } from '../observed/counts.ts';
import { isHealthy, notHealthy } from '../observed/health.ts';
import { risingWeights } from '../observed/weights.ts';
import { isOutward, PHASES } from '../model/phase.ts';
import { notChecked, notUp, notInSync } from './reconcile.ts';
import { unprovenEndReason } from '../observed/unproven-end.ts';
import { answersAfterEnd } from '../observed/recorded-end.ts';
import type { Draft } from '../step-draft.ts';

/**
 * What an operation waits for besides a number: sources and balancers without a count, on the way back the
 * application's health, the servers that are not UP in HAProxy, with its reasons, and those whose weight still rises.
 * @returns one short text each; empty where no operation runs
 */
export function awaited(now: Pick<Draft, 'policy' | 'state' | 'at'>): string[] {
  const { policy, state } = now;
  const { app, op, phase, slot, waiting } = state;
  const turn = slot === null || slot.isOver ? [] : slotWaitText(slot);
  if (op === null) return waiting.length === 0 ? [] : turn;
  if (isOutward(phase)) return [...turn, ...(PHASES[phase].over ? [] : unknownTo(policy, state))];
  if (phase === 'warming') {
    if (app.start === 'sent') return ['the start of the application'];
    const left = unprovenEndReason(app) ?? answersAfterEnd(app);
    if (app.start === 'intended' && left !== null) return [left];
  }
  if (op.kind === 'reboot' && phase === 'stopped') return ['the reboot of the machine'];
  if (phase !== 'warming' && PHASES[phase].place !== 'back') return [];
  const unseen = notInSync(policy, state).map(
    ({ balancerName, name, target, balancer }) =>
      `${balancerName}: ${name} is not seen in ${(target ?? '').toUpperCase()} yet${balancer.error === null ? '' : `: ${balancer.error}`}`,
  );
  return [
    ...(isHealthy(now) ? [] : [notHealthy(now)]),
    ...(phase === 'warming'
      ? []
      : unseen.length > 0
        ? unseen
        : [...notUp(policy, state), ...notChecked(now), ...risingWeights(state)]),
  ];
}
