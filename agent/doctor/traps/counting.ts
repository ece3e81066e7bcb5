import type { Examination, UnitExamined } from '../examination.ts';
import { CLEAR, found, inside, together, unseen, type Sighting, type Trap } from '../trap.ts';
import { NO_FILE, ofOthers } from './in-file.ts';
import { APP_GONE } from './objections.ts';

/** Traps of counting: users cannot be counted, or a probe or check itself makes sessions. */

function unread(examined: Examination): Sighting {
  const failed = examined.sources.flatMap(({ name, count }) => (count.ok ? [] : [`${name}: ${count.why}`]));
  if (failed.length > 0 && examined.isAppGone) return unseen(APP_GONE);
  return found(...failed);
}

function probeMakesSessions({ probe }: Examination): Sighting {
  return probe === null ? CLEAR : inside(probe, ({ warnings }) => found(...warnings));
}

function checkMakesSessions(examined: Examination): Sighting {
  const { file, ownChecks } = examined;
  if (file === null) return unseen(NO_FILE);
  const answers = ownChecks.map(({ url, setsCookie }) =>
    inside(setsCookie, (sets) => (sets ? found(`${url} answers HAProxy's check with Set-Cookie`) : CLEAR)),
  );
  // No check was sent for a HAProxy that shows no servers.
  const dark = examined.haproxies.map(({ servers }) => inside(servers, () => CLEAR));
  return together([...answers, ...dark, inside(file, (value) => ofOthers(examined, value))]);
}

/** Directories that a unit with this property sees another one in place of. */
const HIDING = [
  { property: 'PrivateTmp', below: /^\/(var\/)?tmp\// },
  { property: 'ProtectHome', below: /^\/(home|root|run\/user)\// },
] as const;
/** With these the unit sees the directory of the machine. */
const OPEN: readonly unknown[] = [undefined, '', 'no', 'read-only'];

/** The sidecar may see another directory than this command, and than the application: by the sandboxes of their units. */
function hiddenFiles({ config, sidecarUnit, appUnit }: Examination): Sighting {
  const paths = config.sessions.flatMap((source) => (source.kind === 'files' ? [source.path] : []));
  if (!paths.some((path) => HIDING.some(({ below }) => below.test(path)))) return CLEAR;
  const ofApp =
    appUnit === null
      ? unseen('app.stop and app.start name no unit of systemd: whether it has a /tmp of its own is not seen')
      : inside(appUnit, (unit) => hiddenIn(unit, paths));
  return together([inside(sidecarUnit, (unit) => hiddenIn(unit, paths)), ofApp]);
}

function hiddenIn({ name, properties }: UnitExamined, paths: readonly string[]): Sighting {
  return found(
    ...HIDING.filter(({ property }) => !OPEN.includes(properties[property])).flatMap(({ property, below }) =>
      paths
        .filter((path) => below.test(path))
        .map((path) => `${path}, and ${name} has ${property}=${properties[property]}`),
    ),
  );
}

/** Sources that count users; the other two count connections and requests. */
const NO_USERS = new Set(['tcp', 'idle']);

/** Where the users are counted by something else alone, no entry is waited for. */
function isCountedElsewhere({ config: { sessions } }: Examination): boolean {
  const kinds = sessions.map(({ kind }) => kind).filter((kind) => !NO_USERS.has(kind));
  return kinds.length > 0 && !kinds.includes('stickTable');
}

function endlessTables(examined: Examination): Sighting {
  if (isCountedElsewhere(examined)) return CLEAR;
  return together(
    examined.haproxies.map(({ config, tables }) =>
      inside(tables, (all) =>
        together(
          all.map(({ name, neverEnds }) => {
            if (neverEnds === true) return found(`${config.address}: ${name}`);
            return neverEnds === null ? endlessInFile(examined, name) : CLEAR;
          }),
        ),
      ),
    ),
  );
}

/** An empty table shows no time to live; the file has it. */
function endlessInFile({ file }: Examination, name: string): Sighting {
  if (file === null)
    return unseen(`the stick table ${name} is empty, and only haproxy.cfg shows its \`expire\``);
  return inside(file, ({ sections, path }) => {
    const lines = sections.filter((section) => section.name === name).flatMap((section) => section.lines);
    const table = lines.find(({ words }) => words[0] === 'stick-table');
    if (table === undefined) return unseen(`${path} has no stick-table of ${name}`);
    return table.words.includes('expire')
      ? CLEAR
      : found(`${path}:${table.number}: ${table.words.join(' ')}`);
  });
}

export const COUNTING_TRAPS: readonly Trap[] = [
  {
    id: 'source-unread',
    severity: 'breaks',
    consequence:
      'the number of users is unknown, and unknown is never zero: a drain refuses, or waits to its deadline',
    fix: 'give this user the right to it, or correct it below `sessions`',
    fixByFlag: 'correct --sessions, or let this machine reach it',
    look: unread,
  },
  {
    id: 'private-tmp',
    severity: 'breaks',
    consequence:
      'the sandbox of this unit has a directory of its own there: lastcall does not see the files that the application writes',
    fix: 'write PrivateTmp=no (or ProtectHome=no) in a drop-in of that unit, or move the session files',
    ofFileOnly: true,
    look: hiddenFiles,
  },
  {
    id: 'probe-makes-sessions',
    severity: 'breaks',
    consequence: 'each probe makes a session that no user has: the count never comes to zero',
    fix: 'probe a page that makes no session (in a JSP: `<%@ page session="false" %>`)',
    look: probeMakesSessions,
  },
  {
    id: 'check-makes-sessions',
    severity: 'breaks',
    consequence:
      'each health check of HAProxy makes a session that no user has: the count never comes to zero',
    fix: 'let `http-check send` ask a page that makes no session',
    look: checkMakesSessions,
  },
  {
    id: 'table-expire',
    severity: 'breaks',
    consequence: 'the entries of this stick table never end: counted by it, the node is never empty',
    fix: 'give the stick-table an `expire` as long as a session lives',
    look: endlessTables,
  },
];
