import type { Code } from '../system/error.ts';

/** What a caller does with a refusal who ends the application whatever is answered. */

/**
 * Whether a request that ended so is made again. `again`: an operator, or time, may change the outcome. `final`:
 * another try cannot succeed, or the operation's own deadline has decided. `once`: final for a stop, whose effect
 * on the application is unknown.
 */
const AFTER: Readonly<Record<Code, 'again' | 'final' | 'once'>> = {
  done: 'final',
  accepted: 'final',
  failed: 'once',
  cancelled: 'again',
  'in-doubt': 'once',
  usage: 'final',
  'agent-unreachable': 'again',
  'balancer-unreachable': 'again',
  'app-stop': 'once',
  'app-health': 'again',
  'state-write': 'again',
  guard: 'again',
  locked: 'again',
  braked: 'again',
  busy: 'again',
  held: 'again',
  uncounted: 'again',
  unkeepable: 'again',
  unlisted: 'again',
  config: 'final',
  'no-such-server': 'final',
  'not-permitted': 'final',
  deadline: 'final',
  interrupted: 'final',
};

/** No other try is made after this code of a drain or a stop. */
export function isFinal(code: Code, operation: string): boolean {
  const after = AFTER[code];
  return after === 'final' || (after === 'once' && operation === 'stop');
}
