import { noCount, parseCount, excerpt, sum, type CountProblem } from '../formats/parse-count.ts';

/** What Tomcat's manager answers in text (Tomcat 10.1: ManagerServlet, JMXProxyServlet). Pure. */

/**
 * The sessions of a context in the answer to `text/list`: `/app:running:3:app`, one line for each version that is
 * deployed in parallel. The first line is translated, all but its `OK`.
 */
export function readList(body: string, context: string): number | CountProblem {
  const [first = '', ...lines] = body.split(/\r?\n/);
  if (!first.startsWith('OK - ')) return { problem: `the manager answers ${excerpt(first)}` };
  const counts = lines.flatMap((line) => {
    const [path, state = '', sessions = ''] = line.split(':');
    if (path !== context) return [];
    // A stopped context is listed with 0, whatever happened to its users.
    return state === 'running'
      ? parseCount(sessions)
      : { problem: `${context} is ${excerpt(state)}, not running` };
  });
  return counts.length > 0 ? sum(counts) : { problem: `Tomcat has no application ${context}` };
}

/** A session manager as `jmxproxy` shows it. */
export interface SessionManager {
  /** Its name in JMX. */
  readonly name: string;
  readonly host: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** What `jmxproxy/?qry=` takes to find the session managers of a context in all its versions, and some others. */
export function managersOf(context: string): string {
  return `*:type=Manager,host=*,context=${context}*`;
}

/** The session managers of a context in the answer to that query; of one host, or it is ambiguous. */
export function readManagers(body: string, context: string): readonly SessionManager[] | CountProblem {
  const [first = '', ...blocks] = body.split(/\r?\n\r?\n/);
  if (!first.startsWith('OK - '))
    return { problem: `the manager answers ${excerpt(first.split('\n')[0] ?? '')}` };
  const managers = blocks
    .map(readManager)
    .filter(({ path }) => path === context || path.startsWith(`${context}##`));
  if (managers.length === 0) return { problem: `Tomcat has no application ${context}` };
  const hosts = new Set(managers.map(({ host }) => host));
  if (hosts.size > 1) return { problem: `${context} is on the hosts ${[...hosts].join(' and ')}` };
  return managers;
}

/** The sessions of all versions of a context. */
export function readActive(managers: readonly SessionManager[]): number | CountProblem {
  return sum(
    managers.map(({ name, attributes }) => {
      const state = attributes.get('stateName');
      if (state !== 'STARTED')
        return { problem: `${name} is ${excerpt(state ?? 'in no state')}, not STARTED` };
      const active = attributes.get('activeSessions');
      return active === undefined ? noCount('') : parseCount(active);
    }),
  );
}

function readManager(block: string): SessionManager & { readonly path: string } {
  const attributes = new Map<string, string>();
  for (const line of block.split(/\r?\n/)) {
    const at = line.indexOf(': ');
    if (at > 0) attributes.set(line.slice(0, at), line.slice(at + 2));
  }
  const name = attributes.get('Name') ?? '';
  const key = (wanted: string): string => new RegExp(`[:,]${wanted}=([^,]*)`).exec(name)?.[1] ?? '';
  return { name, host: key('host'), path: key('context'), attributes };
}
