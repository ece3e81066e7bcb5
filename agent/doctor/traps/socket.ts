import type { Examination, HaproxyExamined, ServerExamined } from '../examination.ts';
import { NOT_ASKED } from '../readout.ts';
import { CLEAR, found, inside, together, unseen, type Sighting, type Trap } from '../trap.ts';

/** What the Runtime API, the master CLI and the agent-check allow. */

function each(examined: Examination, look: (haproxy: HaproxyExamined) => Sighting): Sighting {
  return together(examined.haproxies.map(look));
}

/** Its failure is a trap of its own, so nothing else is problem to be unseen by it. */
function unreachable({ about, config }: HaproxyExamined): Sighting {
  if (about.ok || about.code === 'not-permitted') return CLEAR;
  return found(named(config.address, about.why));
}

function forbidden({ about, config }: HaproxyExamined): Sighting {
  if (about.ok || about.code !== 'not-permitted') return CLEAR;
  return found(named(config.address, about.why));
}

function named(address: string, why: string): string {
  return why.startsWith(address) ? why : `${address}: ${why}`;
}

function level({ about, config }: HaproxyExamined): Sighting {
  return inside(about, (value) => {
    const needed = config.writer === 'runtime' ? ['admin'] : ['admin', 'operator'];
    return needed.includes(value.level) ? CLEAR : found(`${config.address} is of level ${value.level}`);
  });
}

function noServer({ servers, config }: HaproxyExamined): Sighting {
  if (servers.ok || servers.code !== 'no-such-server') return CLEAR;
  return found(named(config.address, servers.why));
}

/** Its failure is the trap; that it was not asked at all is not. */
function master({ master: answer }: HaproxyExamined): Sighting {
  if (answer === null || answer.ok) return CLEAR;
  return answer.code === NOT_ASKED ? unseen(answer.why) : found(answer.why);
}

/** Where /proc shows them a master is not needed to wait for old workers. */
function blind({ look, config }: HaproxyExamined, { config: { sessions } }: Examination): Sighting {
  if (config.master !== null || sessions.some(({ kind }) => kind === 'tcp')) return CLEAR;
  return inside(look, ({ uncounted }) =>
    uncounted === null ? found(`${config.address}: no master CLI is named`) : CLEAR,
  );
}

interface AgentPlace {
  readonly haproxy: HaproxyExamined;
  readonly server: ServerExamined;
}

function eachServer(examined: Examination, look: (place: AgentPlace) => string | null): Sighting {
  return each(examined, (haproxy) =>
    inside(haproxy.servers, (servers) =>
      found(
        ...servers.flatMap((server) => {
          const problem = look({ haproxy, server });
          return problem === null ? [] : [`${haproxy.config.address}: ${server.name} ${problem}`];
        }),
      ),
    ),
  );
}

function noAgent(examined: Examination): Sighting {
  return eachServer(examined, ({ haproxy, server }) =>
    haproxy.config.writer === 'agent-check' && server.agentStatus === '' ? 'has no agent-check' : null,
  );
}

/** An agent-check of another program overrules what we set: `ready` ends our MAINT (BEHAVIOUR.md#agent-check-and-operators). */
function foreignAgent(examined: Examination): Sighting {
  if (examined.isDirect) return someAgent(examined);
  const ours = examined.config.listen.agentCheck;
  return eachServer(examined, ({ server }) => {
    if (server.agentStatus === '') return null;
    if (ours === null) return `has an agent-check${portText(server)}, and listen.agentCheck is missing`;
    const isOther = server.agentPort !== null && server.agentPort !== ours.port;
    return isOther ? `asks port ${server.agentPort}, and listen.agentCheck is ${ours.port}` : null;
  });
}

/** Without a file it may as well be that of a sidecar, which carries no state beside a Runtime API. */
function someAgent(examined: Examination): Sighting {
  const { found: places, unseen: reasons } = eachServer(examined, ({ server }) =>
    server.agentStatus === '' ? null : `has an agent-check${portText(server)}, and no file shows whose it is`,
  );
  return unseen(...places, ...reasons);
}

function portText({ agentPort }: ServerExamined): string {
  return agentPort === null ? '' : ` at port ${agentPort}`;
}

/** HAProxy's codes of an agent-check that got no line: not connected, timed out. */
function deafAgent(examined: Examination): Sighting {
  const ours = examined.config.listen.agentCheck;
  if (ours === null || !examined.sidecar.ok) return CLEAR;
  return eachServer(examined, ({ server }) =>
    /^(L4|L7)(TOUT|CON|RSP)$/.test(server.agentStatus) ? `gets no answer: ${server.agentStatus}` : null,
  );
}

export const SOCKET_TRAPS: readonly Trap[] = [
  {
    id: 'unreachable',
    severity: 'breaks',
    consequence: 'this balancer can neither be counted nor be set: nothing begins, or waits for it',
    fix: 'see that HAProxy runs and that the address is its `stats socket`',
    look: (examined) => each(examined, unreachable),
  },
  {
    id: 'socket-rights',
    severity: 'breaks',
    consequence: 'this user may not open the Runtime API: every operation is refused (78)',
    fix: 'write `mode 660 group haproxy` at the `stats socket`, and let this user into that group',
    look: (examined) => each(examined, forbidden),
  },
  {
    id: 'socket-level',
    severity: 'breaks',
    consequence: 'the socket takes no `set server`: every operation is refused (78)',
    fix: 'write `level admin` at the `stats socket`, or `writer: agent-check` for this balancer',
    fixByFlag: 'write `level admin` at the `stats socket`',
    look: (examined) => each(examined, level),
  },
  {
    id: 'no-such-server',
    severity: 'breaks',
    consequence: 'HAProxy does not have this server: every operation is refused (78)',
    fix: 'write the server below `servers` as HAProxy names it: BACKEND/SERVER',
    fixByFlag: 'give --server as HAProxy names it: BACKEND/SERVER',
    look: (examined) => each(examined, noServer),
  },
  {
    id: 'master-rights',
    severity: 'breaks',
    consequence:
      'the users of a worker of before a reload cannot be counted: operations are refused, or wait',
    fix: 'start HAProxy with `-S /run/haproxy/master.sock,mode,660,group,haproxy` (Debian: EXTRAOPTS in /etc/default/haproxy)',
    look: (examined) => each(examined, master),
  },
  {
    id: 'no-master',
    severity: 'costs',
    consequence:
      'after each reload of HAProxy connections are unknown for `reloadGrace`, and a drain waits so long',
    fix: 'write the master CLI of this HAProxy as `master`, or add a `tcp` source',
    fixByFlag: 'give the master CLI of this HAProxy with --master',
    look: (examined) => each(examined, (haproxy) => blind(haproxy, examined)),
  },
  {
    id: 'agent-missing',
    severity: 'breaks',
    consequence:
      'nothing sets the state of this server: agent-check is its writer, and HAProxy does not ask us',
    fix: 'write `agent-check agent-port PORT agent-inter 2s` on the server line',
    ofFileOnly: true,
    look: noAgent,
  },
  {
    id: 'agent-foreign',
    severity: 'breaks',
    consequence:
      'this agent-check is another program’s, and its `ready` ends our DRAIN and MAINT within one interval',
    fix: 'point agent-port to `listen.agentCheck`, or take `agent-check` out of the server line',
    look: foreignAgent,
  },
  {
    id: 'agent-deaf',
    severity: 'costs',
    consequence: 'HAProxy asks our agent-check and gets no answer: what goes by it does not arrive',
    fix: 'let HAProxy’s address into `listen.agentCheck.allow` and through the firewall',
    ofFileOnly: true,
    look: deafAgent,
  },
];
