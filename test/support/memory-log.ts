import type { Log, LogFields } from '../../agent/system/log-port.ts';

export interface LogRecord {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: LogFields;
}

export interface MemoryLog extends Log {
  readonly records: readonly LogRecord[];
  /** Resolves with the first record, past or to come, of which `wanted` is true. */
  next(wanted: (record: LogRecord) => boolean): Promise<LogRecord>;
}

/** A log that a test can read, and wait on. */
export function memoryLog(): MemoryLog {
  const records: LogRecord[] = [];
  const watchers = new Set<() => void>();
  const say =
    (level: keyof Log) =>
    (message: string, fields: LogFields = {}): void => {
      records.push({ level, message, fields });
      for (const watcher of watchers) watcher();
    };
  return {
    records,
    error: say('error'),
    warn: say('warn'),
    info: say('info'),
    debug: say('debug'),
    next: (wanted) =>
      new Promise((resolve) => {
        const watcher = (): void => {
          const found = records.find(wanted);
          if (found === undefined) return;
          watchers.delete(watcher);
          resolve(found);
        };
        watchers.add(watcher);
        watcher();
      }),
  };
}
