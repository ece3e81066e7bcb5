import {
  allServers,
  globalLines,
  hasFlag,
  lastLine,
  optionLine,
  type ServerSettings,
  timeMs,
  valueOf,
} from '../haproxy-file/settings.ts';
import { CLEAR, found, together, unseen, type Sighting } from '../trap.ts';
import { at, fileTrap, line, setting, type FileTrap, type FileServer } from './in-file.ts';

/** Lines of haproxy.cfg that send users elsewhere, or keep them there (BEHAVIOUR.md#who-still-reaches-a-server). */

/** Other lines than `conn-failure` repeat what an application may have carried out. */
const SAFE_RETRIES = new Set(['conn-failure', 'none']);

function ignoredState(place: FileServer): Sighting {
  const ours = place.examined.haproxies.flatMap(({ config }) => config.stateFile ?? []);
  if (ours.length === 0) return CLEAR;
  const loads = lastLine(place.lines, 'load-server-state-from-file');
  if (loads === null || loads.words[1] === 'none') return setting(place, 'no load-server-state-from-file');
  const path = loadedState(place, loads.words[1] === 'local');
  if (path === null) return setting(place, 'no server-state-file');
  // HAProxy takes it from its environment, which the file does not show.
  if (path.includes('$') || ours.includes(path)) return CLEAR;
  return setting(place, `HAProxy loads ${path}, and stateFile is ${ours.join(', ')}`);
}

/** The file whose states a reload takes over: of all backends, or of this one alone (`local`). */
function loadedState({ file, lines, backend }: FileServer, isLocal: boolean): string | null {
  const global = globalLines(file);
  const base = lastLine(global, 'server-state-base')?.words[1] ?? '';
  const named = isLocal
    ? (lastLine(lines, 'server-state-file-name')?.words[1] ?? 'use-backend-name')
    : lastLine(global, 'server-state-file')?.words[1];
  if (named === undefined) return null;
  const name = named === 'use-backend-name' ? backend : named;
  return name.startsWith('/') || base === '' ? name : `${base.replace(/\/$/, '')}/${name}`;
}

function earlyEnd(place: FileServer): Sighting {
  const end = lastLine(globalLines(place.file), 'hard-stop-after');
  const text = end?.words[1];
  if (end === null || text === undefined) return CLEAR;
  const ms = timeMs(text);
  if (ms === null) return unseen(`${place.file.path}: hard-stop-after is ${text}`);
  const { timeoutMs } = place.examined.config.drain;
  if (ms >= timeoutMs) return CLEAR;
  return found(
    `${place.file.path}:${end.number}: hard-stop-after ${text}, and a drain may take ${timeoutMs / 60_000}m`,
  );
}

/** HAProxy's own default, which all of its sockets share. */
const SLOTS = 10;

function fewSlots(place: FileServer): Sighting {
  const most = lastLine(globalLines(place.file), 'stats', 'maxconn');
  if (most === null || !(Number(most.words[2]) < SLOTS)) return CLEAR;
  return found(`${place.file.path}:${most.number}: ${most.words.join(' ')}`);
}

function widened(place: FileServer): Sighting {
  const retry = lastLine(place.lines, 'retry-on');
  const isSafe = retry === null || retry.words.slice(1).every((word) => SAFE_RETRIES.has(word));
  return isSafe ? CLEAR : line(place, retry);
}

function cookieMode(place: FileServer): Sighting {
  const cookie = lastLine(place.lines, 'cookie');
  const isOurs = cookie?.words.slice(2).some((word) => word === 'prefix' || word === 'rewrite') === true;
  return isOurs ? line(place, cookie) : CLEAR;
}

/** A name that is a log-format may become any server's (`use-server %[req.hdr(x)]`). */
function useServer(place: FileServer): Sighting {
  const leadsHere = (name: string | undefined): boolean =>
    name === undefined || name === place.server || name.includes('%');
  return together(
    place.lines
      .filter(({ words }) => words[0] === 'use-server' && leadsHere(words[1]))
      .map((one) => line(place, one)),
  );
}

function withoutRedispatch(place: FileServer): Sighting {
  if (optionLine(place.lines, 'redispatch') !== null || lastLine(place.lines, 'cookie') === null)
    return CLEAR;
  return setting(place, 'a cookie, and no `option redispatch`');
}

function initState(place: FileServer): Sighting {
  const state = valueOf(place.settings, 'init-state');
  return state === 'down' || state === 'fully-down' ? setting(place, `init-state ${state}`) : CLEAR;
}

function markedDown(place: FileServer): Sighting {
  const what = valueOf(place.settings, 'on-marked-down');
  return what === 'shutdown-sessions' ? setting(place, `on-marked-down ${what}`) : CLEAR;
}

const BACKUPS_CUT = 'shutdown-backup-sessions';
const cutsBackups = (one: ServerSettings): boolean =>
  !hasFlag(one, 'backup') && valueOf(one, 'on-marked-up') === BACKUPS_CUT;

/** Our return cuts the users of the backups; where ours is a backup, the return of another server cuts ours. */
function markedUp(place: FileServer): Sighting {
  const all = allServers(place.lines);
  if (cutsBackups(place.settings) && [...all.values()].some((one) => hasFlag(one, 'backup')))
    return setting(place, `on-marked-up ${BACKUPS_CUT}`);
  const [cutter] = hasFlag(place.settings, 'backup') ? [...all].filter(([, one]) => cutsBackups(one)) : [];
  if (cutter === undefined) return CLEAR;
  const [name, settings] = cutter;
  return found(
    at(place, settings, `server ${name}: on-marked-up ${BACKUPS_CUT}, and ${place.server} is a backup`),
  );
}

const SEEN: readonly FileTrap[] = [
  {
    id: 'option-persist',
    severity: 'breaks',
    consequence:
      'a user with a cookie is sent to a server that is DOWN or fenced in MAINT: the node is never empty',
    fix: 'take `option persist` out of the backend and its defaults',
    see: (place) => line(place, optionLine(place.lines, 'persist')),
  },
  {
    id: 'force-persist',
    severity: 'breaks',
    consequence: 'requests that match it reach a server in MAINT, so its zero is never final',
    fix: 'take `force-persist` out, or let its condition match nothing but your own tests',
    see: (place) => line(place, lastLine(place.lines, 'force-persist')),
  },
  {
    id: 'use-server',
    severity: 'breaks',
    consequence: 'new users that match it still come to the server in DRAIN, and the drain does not end',
    fix: 'bind users by a cookie or a stick table in place of `use-server`',
    see: useServer,
  },
  {
    id: 'on-marked-down',
    severity: 'breaks',
    consequence: 'MAINT, or one failed health check, cuts every open request and websocket of the server',
    fix: 'take `on-marked-down shutdown-sessions` out; `onTimeout: force` closes what is left',
    see: markedDown,
  },
  {
    id: 'on-marked-up',
    severity: 'breaks',
    consequence:
      'a server that comes back, as this one does after each stop, cuts every open request and websocket of the backup servers',
    fix: 'take `on-marked-up shutdown-backup-sessions` out: users at a backup finish there, and new ones come to this server',
    see: markedUp,
  },
  {
    id: 'state-file-ignored',
    severity: 'breaks',
    consequence:
      'a server-state file is named as if reloads kept DRAIN and MAINT, and this HAProxy forgets them',
    fix: 'write `server-state-file FILE` of that name in global and `load-server-state-from-file global` in defaults',
    see: ignoredState,
  },
  {
    id: 'cookie-mode',
    severity: 'costs',
    consequence: 'a user who is moved gets no new cookie from HAProxy, and loses the session in silence',
    fix: 'use `cookie NAME insert indirect nocache` in place of prefix or rewrite',
    see: cookieMode,
  },
  {
    id: 'redispatch',
    severity: 'costs',
    consequence:
      'a request that waits for this server, or cannot be sent to it, ends with 503 in place of another node',
    fix: 'write `option redispatch` in the backend or its defaults',
    see: withoutRedispatch,
  },
  {
    id: 'retry-on',
    severity: 'costs',
    consequence:
      'a request that the application may have carried out is sent once more: a second POST is a second order',
    fix: 'write `retry-on conn-failure`, which is the default',
    see: widened,
  },
  {
    id: 'init-state',
    severity: 'costs',
    consequence:
      'on its way from MAINT to DRAIN the server passes DOWN, which moves users who had slipped in',
    fix: 'take `init-state` out: lastcall sets READY only after good probes',
    see: initState,
  },
  {
    id: 'hard-stop-after',
    severity: 'costs',
    consequence:
      'after a reload HAProxy ends the users of the old worker before a drain would have let them finish',
    fix: 'make `hard-stop-after` longer than drain.timeout and the longest request',
    fixByFlag: 'make `hard-stop-after` longer than the --timeout of a drain and the longest request',
    see: earlyEnd,
  },
  {
    id: 'socket-slots',
    severity: 'costs',
    consequence:
      'few connections to the Runtime API at a time: with several sidecars each look waits for the others',
    fix: 'take `stats maxconn` out of global, or make it 10 or more',
    see: fewSlots,
  },
];

export const FILE_ROUTING_TRAPS = SEEN.map(fileTrap);
