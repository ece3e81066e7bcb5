import { isHolding } from '../model/desired.ts';
import { alarm, type Turn } from '../draft.ts';
import { noWish, wish } from '../observed/auto-requests.ts';

/**
 * A drain expires: from `drained`, and only towards an application that a probe found healthy. A refused return (an
 * operator holds a server) is tried again.
 */
export function turnExpiry(turn: Turn): void {
  const { phase, op, outing, health, signedOut } = turn.state;
  const at = outing?.expiresAt ?? null;
  if (at === null) return noWish(turn, 'expiry');
  if (turn.at < at || phase !== 'drained' || op !== null || isHolding(turn.state)) return;
  if (health !== 'up' || signedOut !== 'no') {
    const why = health === 'up' ? 'the app has signed itself out' : 'no probe says that the app is healthy';
    return alarm(turn, 'expiry', `the drain has expired, but ${why}: it stays out`);
  }
  wish(turn, 'expiry', 'ready', 'lastcall', 'the drain expired');
}
