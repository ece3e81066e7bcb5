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
const NAME = /^[A-Za-z0-9_.:-]{1,128}$/;

export function isName(text: string): boolean {
  return NAME.test(text);
}

/** The name of a stick table: its proxy's, or `peers section/table` (configuration.txt, 11.1). */
export function isTableName(text: string): boolean {
  const parts = text.split('/');
  return parts.length <= 2 && parts.every(isName);
}

/**
 * Reads `backend/server`.
 * @param code what a wrong one is to the caller: `usage` on a command line, `config` in a file
 * @throws LastcallError with that code
 */
export function parseServerName(text: string, code: Extract<Code, 'usage' | 'config'>): ServerName {
  const [backend, server, ...more] = text.split('/');
  if (
    backend !== undefined &&
    server !== undefined &&
    more.length === 0 &&
    isName(backend) &&
    isName(server)
  ) {
    return { backend, server };
  }
  const shown = JSON.stringify(text);
  throw new LastcallError(code, `${shown} is no server's name`, {
    target: shown,
    next: 'write BACKEND/SERVER as HAProxy names them: letters, digits and _ . : -, at most 128 each',
  });
}
