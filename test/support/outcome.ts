import { isLastcallError, type LastcallError } from '../../agent/system/error.ts';

/** The LastcallError with which the work ends; fails when it ends well or with anything else. */
export async function refusalOf(work: () => unknown): Promise<LastcallError> {
  try {
    await work();
  } catch (error) {
    if (isLastcallError(error)) return error;
    throw error;
  }
  throw new Error('it was to be refused, and was not');
}

/** A signal that is never aborted. */
export const never = new AbortController().signal;
