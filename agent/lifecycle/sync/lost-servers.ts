import type { State } from '../model/state.ts';
import { released, type ServerState } from '../model/server-state.ts';
import {
  alarm,
  allServersOf,
  mapServers,
  patch,
  patchBalancer,
  save,
  type Draft,
  warn,
} from '../step-draft.ts';

/**
 * Servers that the configuration lost while they were ours (I17). Users may still be sent there by HAProxy, so they stay
 * as lastcall left them until the node itself returns; then what was found is put back, without looking at them: a driver
 * looks only at what is listed. Configured again at a later start they are ours like the others (record.ts).
 */

/** An alarm at each start until the cause is gone: no other output shows a server that is not listed. */
export function alarmLostServers(draft: Draft): void {
  for (const { balancerName, name, server } of allServersOf(draft.state)) {
    if (!server.isLost) continue;
    const end = `it is put back to ${foundIn(server)} when the node returns`;
    alarm(draft, subject(balancerName, name), `${left(balancerName, name, server)}; ${end}`);
  }
  forUnreached(draft.state, (balancerName, name, server) => {
    const ways = `configure it again, or set it to ${foundIn(server)} by hand once the node has returned`;
    alarm(
      draft,
      subject(balancerName, name),
      `${left(balancerName, name, server)}, and cannot be put back by lastcall: ${ways}`,
    );
  });
}

/** The node has returned: what was put back is no more ours, and what cannot be reached is left to people. */
export function endLost(draft: Draft): void {
  for (const [balancerName, { servers }] of Object.entries(draft.state.balancers)) {
    const over = Object.entries(servers).filter(([, server]) => isOver(server));
    if (over.length === 0) continue;
    for (const [name] of over) alarm(draft, subject(balancerName, name), null);
    const left = Object.entries(servers).filter(([, server]) => !isOver(server));
    patchBalancer(draft, balancerName, { servers: Object.fromEntries(left) });
    save(draft);
  }
  forUnreached(draft.state, (balancerName, name, server) => {
    const text = `${balancerName}: ${name} is no longer in the configuration and was left as it is: set it to ${foundIn(server)} by hand${weightOf(server)}`;
    alarm(draft, subject(balancerName, name), text);
    if (draft.state.op) warn(draft, subject(balancerName, name), text);
  });
  if (Object.keys(draft.state.lost).length === 0) return;
  patch(draft, { lost: {} });
  save(draft);
}

function isOver({ isLost, inSync, foreign, ramp }: ServerState): boolean {
  return isLost && ramp === null && (inSync || foreign !== null);
}

/** Listed servers of a balancer that answers are ours no more, unless their weight is. */
export function releaseListed(draft: Draft): void {
  const { balancers } = draft.state;
  mapServers(draft, (own, _name, balancerName) =>
    balancers[balancerName]?.error === null && !own.isLost && own.ramp === null ? released(own) : own,
  );
}

function forUnreached(
  { lost }: State,
  tell: (balancer: string, name: string, server: ServerState) => void,
): void {
  for (const [balancerName, servers] of Object.entries(lost))
    for (const [name, server] of Object.entries(servers)) tell(balancerName, name, server);
}

function left(balancerName: string, name: string, server: ServerState): string {
  const { possiblyOurs, applied } = server;
  const states = applied === null ? possiblyOurs : [applied.admin];
  const how = states.map((admin) => admin.toUpperCase()).join(' or ');
  return `${balancerName}: ${name} is no longer in the configuration and is as lastcall left it${how === '' ? '' : ` (${how})`}${weightOf(server)}`;
}

/** It was lost while its share of new users rose. */
function weightOf({ ramp }: ServerState): string {
  return ramp === null ? '' : `, its weight may be below ${ramp.full}, which it was`;
}

function foundIn({ found }: ServerState): string {
  return (found?.admin ?? 'ready').toUpperCase();
}

function subject(balancerName: string, name: string): string {
  return `lost ${balancerName} ${name}`;
}
