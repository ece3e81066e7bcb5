/** The environment of the operator's commands: what every program needs, and the variables `LASTCALL_*`. */

/** SSL_CERT_*: where the certificates of this machine are; our own TLS reads it late, too. */
const KEPT = /^(?:PATH|HOME|USER|LANG|TZ|LC_\w+|SSL_CERT_(?:FILE|DIR)|LASTCALL_\w+)$/;

/**
 * Removes everything from an environment that commands must not have: it may contain the secrets of the sidecar's
 * configuration.
 * @param env is changed
 */
export function scrub(env: Record<string, string | undefined>): void {
  for (const name of Object.keys(env)) if (!KEPT.test(name)) delete env[name];
}
