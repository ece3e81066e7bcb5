import type { Code } from '../../system/error.ts';
import { listed, UNKNOWN_USERS } from '../../lifecycle/model/objection.ts';
import type { Examination, Objections } from '../examination.ts';
import { CLEAR, found, inside, together, unseen, type Sighting, type Trap } from '../trap.ts';

/** Traps that admission itself reports as objections to a drain or a stop, and that are decided nowhere else. */

function objected(examined: Examination, code: Code): Sighting {
  return inside(examined.trial, (objections) =>
    found(...objections.filter((one) => one.code === code).map(({ message }) => message)),
  );
}

/** Without the objections to unreadable sources, which are a trap of their own. */
function uncounted(examined: Examination): Sighting {
  const { found: all, unseen: reasons } = objected(examined, 'uncounted');
  const others = all.filter((message) => !message.includes(UNKNOWN_USERS));
  if (others.length === 0 && examined.isAppGone) return unseen(APP_GONE);
  return { found: others, unseen: reasons };
}

/** Without users nothing of them can be seen. */
export const APP_GONE = 'the application does not run now';

/** Of a server that takes no users now admission says nothing, and the hash is there all the same. */
function unkeepable(examined: Examination): Sighting {
  const objection = objected(examined, 'unkeepable');
  const { config: ours, haproxies } = examined;
  if (objection.found.length > 0 || ours.sticky === false || haproxies.length === 0) return objection;
  const hashed = haproxies.map(({ config, survey }) =>
    inside(survey, ({ facts }) =>
      found(
        ...facts.flatMap(({ name, hashed: by }) =>
          by === null ? [] : [`${config.address}: ${name} (${by}), which takes no users now`],
        ),
      ),
    ),
  );
  return together(hashed);
}

function unlisted(examined: Examination): Sighting {
  const blind = examined.haproxies.map(({ config, survey }) => {
    if (!survey.ok) return CLEAR; // The trial reports that.
    const { blind: why, uncompared } = survey.value;
    const others = uncompared.filter((name) => !examined.config.ignoreServers.includes(name));
    return unseen(
      ...(why === null ? [] : [`${config.address}: ${why}`]),
      ...(others.length === 0
        ? []
        : [`${config.address}: ${listed(others)}: no address that could be compared with this node's`]),
    );
  });
  return together([inside(examined.trial, (all) => found(...leadingHere(examined, all))), ...blind]);
}

/**
 * Of a stop admission only warns of twins in MAINT without a connection, which `init` leaves out on purpose; of a drain it
 * warns of each that goes on to be sent users.
 */
function leadingHere({ stop }: Examination, objections: Objections): string[] {
  const isStop = stop?.ok === true;
  return objections.flatMap(({ code, message, soft }) =>
    code === 'unlisted' && !(isStop && soft === true) ? [message] : [],
  );
}

/**
 * Where it is proven that the application serves them, admission says so; where another program does, nothing is to be said. A
 * server in a backend of ours is a second node.
 */
function unlistedPort({ hostServers, haproxies, config, isAppGone, user }: Examination): Sighting {
  const backends = new Set(haproxies.flatMap((one) => one.config.servers.map(backendOf)));
  const open = hostServers.flatMap(({ balancer, name, of, servedAt, served }) => {
    if (config.ignoreServers.includes(name) || backends.has(backendOf(name))) return [];
    if (served.ok && served.value !== 'unknown') return [];
    const why = served.ok ? WHY_UNKNOWN(user) : served.why;
    return [`${balancer}: ${name} leads to this machine as ${of} does, at ${servedAt}: ${why}`];
  });
  return open.length > 0 && isAppGone ? unseen(APP_GONE) : found(...open);
}

function backendOf(server: string): string {
  return server.split('/', 1)[0] ?? '';
}

const WHY_UNKNOWN = (user: string): string =>
  `whether the process of the application has it is not shown to ${user}`;

export const OBJECTION_TRAPS: readonly Trap[] = [
  {
    id: 'uncounted',
    severity: 'breaks',
    consequence:
      'between two clicks a bound user has no connection: zero connections are no proof, and `stop` refuses',
    fix: 'write a source that counts users below `sessions`, or `sticky: false` where no session is kept here',
    fixByFlag:
      'give --sessions URL, which answers how many users are here, or --not-sticky where no session is kept here',
    look: uncounted,
  },
  {
    id: 'unkeepable',
    severity: 'breaks',
    consequence: 'a hash is made anew by the DRAIN itself, which moves the users that it was to keep',
    fix: 'bind users by `cookie SRV insert indirect nocache` or a stick table; or `sticky: false`',
    fixByFlag: 'bind users by `cookie SRV insert indirect nocache` or a stick table; or give --not-sticky',
    look: unkeepable,
  },
  {
    id: 'unlisted',
    severity: 'breaks',
    consequence:
      'another server leads to this application too: its users are not counted, and a stop would cut them',
    fix: 'list it below `servers`, or below `ignoreServers` where it is left out on purpose',
    fixByFlag: 'name it with --server too, or with --ignore-server where it is left out on purpose',
    look: unlisted,
  },
  {
    id: 'unlisted-port',
    severity: 'note',
    consequence:
      'another server leads to this machine: is it a second port of this application, a stop cuts its users',
    fix: 'list it below `servers` where it is this application, else below `ignoreServers`',
    fixByFlag: 'name it with --server where it is this application, else with --ignore-server',
    look: unlistedPort,
  },
  {
    id: 'held',
    severity: 'costs',
    consequence:
      'the server is in DRAIN or MAINT, or at weight 0, and not by lastcall: an operation refuses, or goes around it',
    fix: 'let its owner end it (of DNS: give the name an address), or take it over with `lastcall ready --force --reason`',
    fixByFlag:
      'let its owner end it (a sidecar of this node, an operator), or take it over with `lastcall ready --force --reason`',
    look: (examined) => objected(examined, 'held'),
  },
  {
    id: 'guard',
    severity: 'costs',
    consequence: 'too few other servers take users: every drain is refused until there are more',
    fix: 'bring another server back, or set drain.keep and drain.keepBackups to what may be missing',
    fixByFlag: 'bring another server back, or give --keep with how many have to be left',
    look: (examined) => objected(examined, 'guard'),
  },
];
