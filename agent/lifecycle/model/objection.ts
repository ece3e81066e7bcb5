import type { Code } from '../../system/error.ts';
import type { Request } from './api.ts';
import type { Candidate } from './operation.ts';
import type { ServerView } from './observation.ts';
import type { ServerSurvey } from './survey.ts';

/** The objections of a check before an operation. */

export interface Objection {
  readonly code: Code;
  readonly message: string;
  /** A warning only. */
  readonly soft?: boolean;
}

/** One of our servers as it was surveyed for a request. */
export interface Surveyed {
  readonly balancer: string;
  readonly view: ServerView;
  /** MAINT or DRAIN that is not ours. */
  readonly held: boolean;
  readonly fact: ServerSurvey | undefined;
}

/** What would refuse a request, and only warns where the caller cannot be refused. */
const UNREFUSED: readonly string[] = [
  'guard',
  'uncounted',
  'unkeepable',
  'unlisted',
  'locked',
  'braked',
  // Behind an operator's DRAIN users are counted and waited for; a refusal would cut them at once.
  'held',
  // The others are drained, and this one is waited for.
  'balancer-unreachable',
  // So is one that is configured in such a way that its state cannot be set.
  'config',
];

/**
 * Whether an objection only warns because the application is ended next, whatever is answered: SIGTERM under
 * `run -- COMMAND` (`isShutdown`), a preStop hook, `systemctl stop` (`--no-refuse`).
 * @param code of the objection
 */
export function onlyWarns({ isShutdown, noRefuse = false }: Request, code: Code): boolean {
  return (isShutdown || noRefuse) && UNREFUSED.includes(code);
}

/** The application is ended next, whatever is answered. */
export function endsNext({ isShutdown, noRefuse = false, dryRun }: Request): boolean {
  return isShutdown || (noRefuse && !dryRun);
}

/** An objection that `--force --reason` answers: a warning then, and else a refusal with its ways out. */
export function answerable({ request }: Candidate, code: Code, what: string, ways: string): Objection {
  if (request.force) return { code, message: `${what}; forced`, soft: true };
  return { code, message: `${what}; ${ways}, or use --force --reason` };
}

/** Names for one line: so many, and how many more there are. */
export function listed(names: readonly string[], most = 10): string {
  const more = names.length - most;
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${more} more` : names.join(', ');
}

/** Of each objection to a source that cannot be read. */
export const UNKNOWN_USERS = 'the number of users is unknown';

/** How an operator makes users countable, or declares that they need not be counted. */
export const UNCOUNTED_WAYS =
  'configure a session source (sessions:, --sessions), set `sticky: false` (--not-sticky), or set how long quiet means gone (drain.quiet, --quiet-for)';
