/** The fields of a record besides its message; keys that look like secrets are not shown. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The sidecar's log. Never throws. */
export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}
