import type { Code } from '../system/error.ts';

/** Which refusals a caller repeats that ends the application whatever the answer is. */

/**
 * Whether a request that ended with this code is repeated. `again`: an operator, or time, may change the outcome. `final`:
 * a repetition cannot succeed, or the operation's own deadline has decided. `once`: final for a stop, whose effect
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

/** True where a drain or a stop that ended with this code is not repeated. */
export function isFinal(code: Code, operation: string): boolean {
  const after = AFTER[code];
  return after === 'final' || (after === 'once' && operation === 'stop');
}
