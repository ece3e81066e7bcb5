import type { FileLine } from '../haproxy-file/file.ts';
import { checkRequest, hasFlag, lastLine, timeMs, valueOf } from '../haproxy-file/settings.ts';
import { CLEAR, unseen, type Sighting } from '../trap.ts';
import { fileTrap, setting, type FileTrap, type FileServer } from './in-file.ts';

/** Lines of haproxy.cfg by which HAProxy sees how a server is, and how it comes back (BEHAVIOUR.md#health-checks). */

function staticBalance({ lines }: FileServer): FileLine | null {
  const balance = lastLine(lines, 'balance');
  const algorithm = balance?.words[1] ?? '';
  if (balance === null || /^(roundrobin|leastconn|random)/.test(algorithm)) return null;
  const isConsistent = lastLine(lines, 'hash-type')?.words[1] === 'consistent';
  return isConsistent && !/^(static-rr|first)$/.test(algorithm) ? null : balance;
}

function slowstart(place: FileServer): Sighting {
  if (valueOf(place.settings, 'slowstart') === null) return CLEAR;
  const balance = staticBalance(place);
  return balance === null ? CLEAR : setting(place, `slowstart under ${balance.words.join(' ')}`);
}

function checked({ settings }: FileServer): boolean {
  return hasFlag(settings, 'check');
}

function pathIn(uri: string): string {
  return uri.split(/[?#]/, 1)[0] ?? '';
}

/** Another page than ours may be good while ours is not. */
function otherPage(place: FileServer): Sighting {
  const probe = place.examined.config.app.probe?.how;
  const request = checkRequest(place.lines);
  if (probe?.kind !== 'http' || request === null || !checked(place)) return CLEAR;
  const ours = new URL(probe.url).pathname;
  const theirs = pathIn(request.uri);
  if (theirs.includes('$')) return unseen(`${place.file.path}: the URI of the check is ${request.uri}`);
  return ours === theirs ? CLEAR : setting(place, `HAProxy asks ${theirs}, lastcall asks ${ours}`);
}

function signOutIsDown(place: FileServer): Sighting {
  const probe = place.examined.config.app.probe?.how;
  if (probe?.kind !== 'http' || !probe.signOut.status.includes(404) || !checked(place)) return CLEAR;
  if (checkRequest(place.lines) === null || lastLine(place.lines, 'http-check', 'disable-on-404') !== null)
    return CLEAR;
  return setting(place, 'httpchk without `http-check disable-on-404`');
}

/** An agent-check that is asked less often than this makes each step of a drain slow. */
const SLOW_AGENT_MS = 5_000;

function slowAgent(place: FileServer): Sighting {
  if (!hasFlag(place.settings, 'agent-check')) return CLEAR;
  const text = valueOf(place.settings, 'agent-inter') ?? valueOf(place.settings, 'inter') ?? '2s';
  const every = timeMs(text);
  if (every === null) return unseen(`${place.file.path}: the agent-inter of ${place.server} is ${text}`);
  return every > SLOW_AGENT_MS ? setting(place, `agent-inter ${text}`) : CLEAR;
}

function lateChecks(place: FileServer): Sighting {
  if (!checked(place) || lastLine(place.lines, 'timeout', 'check') !== null) return CLEAR;
  return setting(place, `check, and no \`timeout check\``);
}

const SEEN: readonly FileTrap[] = [
  {
    id: 'sign-out-is-down',
    severity: 'breaks',
    consequence:
      'the 404 by which the application signs out takes the server DOWN, and its users lose their sessions',
    fix: 'write `http-check disable-on-404` in the backend',
    ofFileOnly: true,
    see: signOutIsDown,
  },
  {
    id: 'slowstart-never',
    severity: 'costs',
    consequence:
      'static balancing takes no weight but the whole one: a node that comes back gets its full share at once',
    fix: 'balance by roundrobin, leastconn, random or `hash-type consistent`, or take `slowstart` out',
    see: slowstart,
  },
  {
    id: 'timeout-check',
    severity: 'costs',
    consequence:
      'a health page slower than `inter` fails, and after a reload one such answer moves all users at once',
    fix: 'write `timeout check 5s` in defaults',
    see: lateChecks,
  },
  {
    id: 'agent-inter',
    severity: 'costs',
    consequence: 'HAProxy gets a drain or a return only at its next agent-check',
    fix: 'write `agent-inter 2s`',
    see: slowAgent,
  },
  {
    id: 'other-check',
    severity: 'note',
    consequence:
      'HAProxy may send users to an application that lastcall takes for unhealthy, or the other way round',
    fix: 'let `option httpchk` and app.probe ask the same page',
    fixByFlag: 'let `option httpchk` and --health ask the same page',
    see: otherPage,
  },
];

export const FILE_CHECK_TRAPS = SEEN.map(fileTrap);
