import { LastcallError, type Code } from '../system/error.ts';

/** A server as HAProxy's commands name it. */
export interface ServerName {
  readonly backend: string;
  readonly server: string;
}

/**
 * HAProxy's own alphabet for the names of proxies and servers (configuration.txt, 2.2). It has neither `;` nor
 * newline nor blank, so a name can never end a command and begin another.
 */
const NAME = /^[A-Za-z0-9_.:-]+$/;

/**
 * The longest BACKEND/SERVER, in characters. HAProxy itself has no limit for a name; one line of its Runtime API has:
 * `tune.bufsize` less `tune.maxrewrite`, 15,360 bytes. `set server` and `show stat` took 15,101 characters on 2.6.12 and
 * 3.2.26; 2.6.12 never answers a line of 15,825, and shows no row of a server with 16,201.
 */
export const MOST_NAME_CHARACTERS = 15_000;

/** The rule of `parseServerName` as text, for every message that refuses a name. */
export const SERVER_NAME_RULE = `letters, digits and _ . : -, at most ${MOST_NAME_CHARACTERS} characters together`;

export function isName(text: string): boolean {
  return text.length <= MOST_NAME_CHARACTERS && NAME.test(text);
}

/** The name of a stick table: its proxy's, or `peers section/table` (configuration.txt, 11.1). */
export function isTableName(text: string): boolean {
  const parts = text.split('/');
  return parts.length <= 2 && parts.every(isName);
}

/** How many characters of a wrong name a message repeats. */
const SHOWN = 300;

/**
 * Reads `backend/server`.
 * @param code what a wrong one is to the caller: `usage` on a command line, `config` in a file
 * @throws LastcallError with that code
 */
export function parseServerName(text: string, code: Extract<Code, 'usage' | 'config'>): ServerName {
  const [backend, server, ...more] = text.split('/');
  if (
    text.length <= MOST_NAME_CHARACTERS &&
    backend !== undefined &&
    server !== undefined &&
    more.length === 0 &&
    isName(backend) &&
    isName(server)
  ) {
    return { backend, server };
  }
  const shown = JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text);
  const length = text.length > MOST_NAME_CHARACTERS ? ` (it has ${text.length} characters)` : '';
  throw new LastcallError(code, `${shown} is no server's name${length}`, {
    target: shown,
    next: `write BACKEND/SERVER as HAProxy names them: ${SERVER_NAME_RULE}`,
  });
}
