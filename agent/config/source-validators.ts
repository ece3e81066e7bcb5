import { isTableName } from '../haproxy/names.ts';
import { messageOf } from '../system/error.ts';
import { pathProblem, urlProblem } from './validators.ts';

/** Checks of texts, as in validators.ts: those of which only session sources are made. Pure. */

/** A regular expression with one group, which contains the number. */
export function patternProblem(text: string): string | undefined {
  let groups: number;
  try {
    // The empty alternative comes first and matches at once; what is left out of the match is still counted.
    groups = (new RegExp(`|${text}`, 'mu').exec('')?.length ?? 0) - 1;
  } catch (error) {
    // V8's message repeats the pattern before its reason.
    return `is not a regular expression: ${messageOf(error).replace(/^[^]*: /, '')}`;
  }
  return groups === 1
    ? undefined
    : `has ${groups} groups, put the number alone in ( ) and write (?: ) elsewhere`;
}

const LABEL = String.raw`[a-zA-Z_]\w*\s*=\s*"(?:[^"\\\n]|\\["\\n])*"`;
const SERIES = new RegExp(String.raw`^[a-zA-Z_:][\w:]*(?:\{\s*(?:${LABEL}\s*(?:,\s*${LABEL}\s*)*)?\})?$`);

/** A metric of Prometheus, and the labels that its series must have. */
export function seriesProblem(text: string): string | undefined {
  return SERIES.test(text) ? undefined : 'is not a metric such as sessions or sessions{context="/app"}';
}

/** The URL of Tomcat's manager, to which /text/list and /jmxproxy are appended. */
export function managerUrlProblem(text: string): string | undefined {
  const problem = urlProblem(text);
  if (problem !== undefined) return problem;
  const { username, password, search, hash } = new URL(text);
  if (username !== '' || password !== '') return 'names no user, write user and passwordFile';
  return search === '' && hash === ''
    ? undefined
    : 'ends with its path, such as http://127.0.0.1:8080/manager';
}

/** A colon would end the name within the credentials (RFC 7617). */
export function userNameProblem(text: string): string | undefined {
  return /^[^\p{Cc}:]+$/u.test(text) ? undefined : 'is not the name of a user: it is empty, or holds a colon';
}

/** A path as Tomcat's own texts have it; what is a pattern or ends a name there is no part of it. */
export function contextProblem(text: string): string | undefined {
  return /^(?:\/|(?:\/[^\s\p{Cc}/:*?,="#]+)+)$/u.test(text)
    ? undefined
    : 'is not the path of a context, write / or for example /app';
}

/** A path with `*`, `?` and `[...]`, and nothing that a shell would read otherwise. */
export function globProblem(text: string): string | undefined {
  const problem = pathProblem(text);
  if (problem !== undefined) return problem;
  const bare = text.replaceAll(/\[[!^]?\]?[^\]/]*\]/g, '');
  if (/[[\\{}]|\*\*/.test(bare)) return 'knows only * ? and [...], neither ** nor { } nor a backslash';
  return undefined;
}

/** The name of a stick table, by which HAProxy shows it. */
export function tableNameProblem(text: string): string | undefined {
  return isTableName(text) ? undefined : 'is not the name of a stick table, such as app or peers/app';
}
