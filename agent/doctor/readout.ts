import { errnoOf, isLastcallError, messageOf } from '../system/error.ts';

/** What was read, or why it could not be. */
export type Readout<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string; readonly code: string };

/** The code of a question that was not asked on purpose. */
export const NOT_ASKED = 'not-asked';

/** The code of a sidecar that does not run. */
export const NO_SIDECAR = 'no-sidecar';

export function readout<T>(value: T): Readout<T> {
  return { ok: true, value };
}

/** Reads, and takes a failure for an answer. @param work what reads; bounded by its own deadline */
export async function attempt<T>(work: () => Promise<T>): Promise<Readout<T>> {
  try {
    return readout(await work());
  } catch (error) {
    return { ok: false, why: whyOf(error), code: isLastcallError(error) ? error.code : 'failed' };
  }
}

/**
 * As `attempt`, for a question to the sidecar: a socket that is not there, or at which no process listens, hides none
 * (`NO_SIDECAR`); any other failure may.
 */
export async function attemptSidecar<T>(work: () => Promise<T>): Promise<Readout<T>> {
  let isAway = false;
  const read = await attempt(() =>
    work().catch((error: unknown) => {
      const errno = errnoOf(error instanceof Error ? error.cause : null);
      isAway = errno === 'ENOENT' || errno === 'ECONNREFUSED';
      throw error;
    }),
  );
  return read.ok || !isAway ? read : { ...read, code: NO_SIDECAR };
}

function whyOf(error: unknown): string {
  const next = isLastcallError(error) && error.next !== undefined ? `; ${error.next}` : '';
  return `${messageOf(error)}${next}`;
}
