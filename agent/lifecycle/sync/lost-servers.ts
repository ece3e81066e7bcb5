import type { State } from '../model/state.ts';
import { notOurs, type ServerState } from '../model/server-state.ts';
import { alarm, allServersOf, mapServers, patch, patchBalancer, save, type Turn, warn } from '../draft.ts';

/**
 * Servers that the configuration lost while they were ours (I17). Users may still be sent there by HAProxy, so they stay
 * as lastcall left them until the node itself returns; then what was found is put back, without looking at them: a driver
 * looks only at what is listed. Configured again at a later start they are ours like the others (record.ts).
 */

/** An alarm at each start until the cause is gone: no other output shows a server that is not listed. */
export function tellLost(turn: Turn): void {
  for (const { at, name, server } of allServersOf(turn.state)) {
    if (!server.isLost) continue;
    const end = `it is put back to ${foundIn(server)} when the node returns`;
    alarm(turn, subject(at, name), `${left(at, name, server)}; ${end}`);
  }
  forUnreached(turn.state, (at, name, server) => {
    const ways = `configure it again, or set it to ${foundIn(server)} by hand once the node has returned`;
    alarm(turn, subject(at, name), `${left(at, name, server)}, and cannot be put back by lastcall: ${ways}`);
  });
}

/** The node has returned: what was put back is no more ours, and what cannot be reached is left to people. */
export function endLost(turn: Turn): void {
  for (const [at, { servers }] of Object.entries(turn.state.balancers)) {
    const over = Object.entries(servers).filter(([, server]) => isOver(server));
    if (over.length === 0) continue;
    for (const [name] of over) alarm(turn, subject(at, name), null);
    const left = Object.entries(servers).filter(([, server]) => !isOver(server));
    patchBalancer(turn, at, { servers: Object.fromEntries(left) });
    save(turn);
  }
  forUnreached(turn.state, (at, name, server) => {
    const text = `${at}: ${name} is no longer in the configuration and was left as it is: set it to ${foundIn(server)} by hand`;
    alarm(turn, subject(at, name), text);
    if (turn.state.op) warn(turn, subject(at, name), text);
  });
  if (Object.keys(turn.state.lost).length === 0) return;
  patch(turn, { lost: {} });
  save(turn);
}

function isOver({ isLost, confirmed, held }: ServerState): boolean {
  return isLost && (confirmed || held !== null);
}

/** Listed servers of a balancer that answers are ours no more. */
export function releaseListed(turn: Turn): void {
  const { balancers } = turn.state;
  mapServers(turn, (own, _name, at) => (balancers[at]?.error === null && !own.isLost ? notOurs(own) : own));
}

function forUnreached(
  { lost }: State,
  tell: (balancer: string, name: string, server: ServerState) => void,
): void {
  for (const [at, servers] of Object.entries(lost))
    for (const [name, server] of Object.entries(servers)) tell(at, name, server);
}

function left(at: string, name: string, { ours, told }: ServerState): string {
  const states = told === null ? ours : [told.admin];
  const how = states.map((admin) => admin.toUpperCase()).join(' or ');
  return `${at}: ${name} is no longer in the configuration and stands as lastcall left it${how === '' ? '' : ` (${how})`}`;
}

function foundIn({ found }: ServerState): string {
  return (found?.admin ?? 'ready').toUpperCase();
}

function subject(at: string, name: string): string {
  return `lost ${at} ${name}`;
}
