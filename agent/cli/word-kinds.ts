/**
 * What a shell asks lastcall for while a line is typed: `servers` of each HAProxy that the line names; `nodes`, whose slots
 * `unlock` may free.
 */
export const WORD_KINDS = ['servers', 'nodes'] as const;
export type WordKind = (typeof WORD_KINDS)[number];
