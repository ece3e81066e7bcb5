/** The writes to one server: of its state, or of its weight. */
export interface Write {
  /** The epoch of the one that is under way: never a second one beside it, their order would be chance. */
  readonly underWay: number | null;
  /** When the last write was answered: a poll begun before may still show the state before it. */
  readonly answeredAt: number;
  readonly failures: number;
  readonly retryAt: number;
  /** One that failed may still be carried out until then. */
  readonly uncertainUntil: number;
  readonly error: string | null;
}

export const NO_WRITE: Write = {
  underWay: null,
  answeredAt: 0,
  failures: 0,
  retryAt: 0,
  uncertainUntil: 0,
  error: null,
};
