import type { OnTimeout, Status } from '../../lifecycle/model/api.ts';
import { PHASES } from '../../lifecycle/model/phase.ts';
import { secondsText } from './format.ts';

const WHAT_HAPPENS: Readonly<Record<OnTimeout, string>> = {
  restore: 'what was found is put back',
  force: 'the sessions left are ended',
  hold: 'it goes on draining',
};

/**
 * The time to the deadline of what runs and, while users are waited for, what happens then.
 * @param how `short`: by the word of `--on-timeout` alone
 * @param age seconds since the status was true
 * @returns an empty text where nothing runs
 */
export function deadlineText({ operation, phase }: Status, how: 'short' | 'whole', age = 0): string {
  if (operation === null) return '';
  const left = `${secondsText(operation.remaining - age)} left`;
  if (!PHASES[phase].waits) return left;
  const then = `${left}, then ${operation.onTimeout}`;
  return how === 'short' ? then : `${then}: ${WHAT_HAPPENS[operation.onTimeout]}`;
}
