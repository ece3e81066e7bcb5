import { patch, type Draft } from '../step-draft.ts';

/** When an operation ends and the node does not come back, the lock gets the reason, for the others of the pool. */
export function noteFailure(
  draft: Draft,
  { code, message }: { readonly code: string; readonly message?: string | undefined },
): void {
  const { slot } = draft.state;
  if (slot === null) return;
  const failure = code === 'done' ? null : `${code}${message === undefined ? '' : `: ${message}`}`;
  patch(draft, { slot: { ...slot, failure } });
}
