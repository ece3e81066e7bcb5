import { type Code, LastcallError, errnoOf, messageOf } from './error.ts';

/** Errors that no further attempt mends: the address or the right is missing. */
const FINAL: ReadonlySet<string | undefined> = new Set([
  'EACCES',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EEXIST',
  'EINVAL',
  'EISDIR',
  'ELOOP',
  'ENOENT',
  'ENAMETOOLONG',
  'ENOTDIR',
  'EPERM',
  'EROFS',
]);

/**
 * The code of a start that could not get a port or a socket. systemd does not start again after 78.
 * @returns `busy` when another process has it, `config` when it can never be had, else `failed`
 */
export function listenCode(error: unknown): Extract<Code, 'busy' | 'config' | 'failed'> {
  const errno = errnoOf(error);
  if (errno === 'EADDRINUSE') return 'busy';
  return FINAL.has(errno) ? 'config' : 'failed';
}

/** An address to listen on, and for what. */
export interface ListenPlace {
  readonly host: string;
  readonly port: number;
  /** Its key in the configuration. */
  readonly key: string;
}

/** The error of an address that cannot be listened on, with its code (`listenCode`), after so many milliseconds. */
export function cannotListen(
  { host, port, key }: ListenPlace,
  cause: unknown,
  elapsedMs: number,
): LastcallError {
  const code = listenCode(cause);
  const target = `${host}:${port}`;
  const next =
    code === 'busy'
      ? `see which process listens there (\`ss -ltnp\`), or set \`${key}\` to another port`
      : `set \`${key}\` to an address of this machine that lastcall's user may listen on`;
  return new LastcallError(code, `cannot listen on ${target} for ${key}: ${messageOf(cause)}`, {
    target,
    elapsedMs,
    next,
    cause,
  });
}
