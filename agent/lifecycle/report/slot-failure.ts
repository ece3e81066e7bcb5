import { patch, type Draft } from '../draft.ts';

/** An operation ends: the others of its pool are told why where the node does not come back. */
export function noteFailure(
  draft: Draft,
  { code, message }: { readonly code: string; readonly message?: string | undefined },
): void {
  const { slot } = draft.state;
  if (slot === null) return;
  const failure = code === 'done' ? null : `${code}${message === undefined ? '' : `: ${message}`}`;
  patch(draft, { slot: { ...slot, failure } });
}
