import { createContext, Script, type Context } from 'node:vm';
import { errnoOf, LastcallError, messageOf } from '../system/error.ts';
import { parseCount, type CountProblem } from './parse-count.ts';

/**
 * Far above what a sane pattern takes on a whole body, and of the wall clock. A pattern that goes astray holds all of us
 * up for so long, the answers to agent-checks too: its source then pauses (`sessions/http.ts`).
 */
const LIMIT_MS = 50;
/** How often a search is repeated: on a busy machine this process may have got no processor for the whole time limit. */
const TRIES = 3;

// Only texts go in and out. The context is there for its time limit, not as a sandbox.
const COMPILE = new Script("pattern = new RegExp(source, 'gmu')");
// Two matches are enough to refuse. An empty match would be found for ever.
const SEARCH = new Script(`{
  const found = [];
  pattern.lastIndex = 0;
  for (let match; found.length < 2 && (match = pattern.exec(body)) !== null; ) {
    found.push(match[1]);
    if (match[0] === '') pattern.lastIndex += 1;
  }
  JSON.stringify(found);
}`);

/**
 * A reader of the number in the one group of a regular expression (flags m and u), which must match exactly once:
 * of two numbers one would be left out.
 *
 * V8's expressions backtrack, and there are bodies on which a careless pattern never ends. So it runs under a time
 * limit of V8's own (node:vm), which ends a match in the middle: 0.1 ms per count on a body of 64 KiB, where a
 * worker thread would take 30 ms to start or some megabytes to keep; rules for what a pattern may hold would refuse
 * good ones and pass bad ones.
 * @throws LastcallError `config` when it is no regular expression, or has no group or several
 */
export function createSafeRegex(source: string): (body: string) => number | CountProblem {
  checkGroups(source);
  const context = createContext({ source, body: '', pattern: null });
  COMPILE.runInContext(context);
  return (body) => {
    context['body'] = body;
    try {
      return readFound(JSON.parse(String(search(context))) as (string | null)[]);
    } catch (error) {
      if (errnoOf(error) === 'ERR_SCRIPT_EXECUTION_TIMEOUT') {
        return { problem: `the regular expression takes longer than ${LIMIT_MS} ms on this answer` };
      }
      // V8 gives up a match for which its stack is too small.
      return { problem: `the regular expression cannot read this answer: ${messageOf(error)}` };
    } finally {
      context['body'] = '';
    }
  };
}

/** @throws as a search that ran out of its time: where a busy machine took the time, it is begun anew a few times */
function search(context: Context, times = TRIES): unknown {
  const before = process.cpuUsage();
  try {
    return SEARCH.runInContext(context, { timeout: LIMIT_MS });
  } catch (error) {
    const { user, system } = process.cpuUsage(before);
    const worked = (user + system) / 1_000 >= LIMIT_MS / 2;
    if (worked || times === 1 || errnoOf(error) !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    return search(context, times - 1);
  }
}

function readFound([first, ...more]: readonly (string | null)[]): number | CountProblem {
  if (first === undefined) return { problem: 'the regular expression matches nowhere' };
  if (more.length > 0) return { problem: 'the regular expression matches more than once' };
  return first === null ? { problem: 'the group took no part in the match' } : parseCount(first);
}

function checkGroups(source: string): void {
  let groups: number;
  try {
    // The empty alternative comes first and matches at once; groups outside of the match are in the answer too.
    groups = (new RegExp(`|${source}`, 'mu').exec('')?.length ?? 0) - 1;
  } catch (cause) {
    throw refused(source, messageOf(cause));
  }
  if (groups !== 1) throw refused(source, `it has ${groups} groups`);
}

function refused(source: string, why: string): LastcallError {
  return new LastcallError('config', `not a regular expression with one group: ${why}`, {
    target: source,
    next: 'put the number alone in ( ) and write (?: ) elsewhere',
  });
}
