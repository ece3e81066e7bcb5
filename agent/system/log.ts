import { Writable } from 'node:stream';
import winston from 'winston';
import type { Clock } from './clock.ts';
import type { Log, LogFields } from './log-port.ts';
import { redact, redactText } from './redact.ts';
import { printable } from './printable.ts';

export interface LogOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly format: 'json' | 'text';
  /** The journal reads our stderr: each line begins with its syslog priority, `<4>`. */
  readonly journal: boolean;
}

export interface LogPorts {
  readonly clock: Pick<Clock, 'wall'>;
  readonly destination: NodeJS.WritableStream;
}

/** A log with an end: every line is written once `flush` resolves. */
export interface WrittenLog extends Log {
  /** Resolves when every record so far has left this process; awaited last, since a pipe is written to later. */
  flush(): Promise<void>;
}

type LogLevel = LogOptions['level'];
const LEVELS = { error: 0, warn: 1, info: 2, debug: 3 } as const satisfies Record<LogLevel, number>;
const PRIORITY = { error: 3, warn: 4, info: 6, debug: 7 } as const satisfies Record<LogLevel, number>;

/** Writes one line per record, with ISO time, to `destination`; nothing in a record can break the line. */
export function createLog(options: LogOptions, { clock, destination }: LogPorts): WrittenLog {
  const counted = countedStream(destination);
  const logger = winston.createLogger({
    level: options.level,
    levels: LEVELS,
    format: winston.format.printf((info) => String(info.message)),
    transports: [new winston.transports.Stream({ stream: counted.stream })],
  });
  const line = options.format === 'json' ? jsonLine : textLine;
  const say =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (LEVELS[level] > LEVELS[options.level]) return;
      counted.expect();
      const prefix = options.journal ? `<${PRIORITY[level]}>` : '';
      logger.log(level, prefix + line(clock.wall().toISOString(), level, redactText(message), plain(fields)));
    };
  return {
    error: say('error'),
    warn: say('warn'),
    info: say('info'),
    debug: say('debug'),
    flush: () => counted.flush(),
  };
}

function plain(fields: LogFields): Record<string, unknown> {
  return { ...(redact(fields) as object) };
}

function jsonLine(time: string, level: LogLevel, message: string, fields: Record<string, unknown>): string {
  // The fields that are read first come first, and no field of a record replaces them.
  const head = { message, level, time };
  return JSON.stringify({ ...head, ...fields, ...head });
}

function textLine(time: string, level: LogLevel, message: string, fields: Record<string, unknown>): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${printable(key)}=${textValue(value)}`);
  return `${time} ${level.padEnd(5)} ${printable(message)}${pairs.join('')}`;
}

function textValue(value: unknown): string {
  const bare = typeof value === 'string' && /^[\w./:@+-]+$/.test(value);
  return printable(bare ? value : JSON.stringify(value));
}

interface CountedStream {
  readonly stream: Writable;
  /** One more record is on its way. */
  expect(): void;
  flush(): Promise<void>;
}

/** Passes lines on and resolves when the last one expected has been taken by the system. */
function countedStream(destination: NodeJS.WritableStream): CountedStream {
  let expected = 0;
  let waiting: (() => void)[] = [];
  const arrived = (): void => {
    expected--;
    if (expected > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  // The reader of our log has gone (EPIPE): there is no place to report it, and the node must be served all the
  // same.
  destination.on('error', () => undefined);
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, next) {
      destination.write(chunk, () => {
        arrived();
        next();
      });
    },
  });
  return {
    stream,
    expect: () => void expected++,
    flush: () =>
      new Promise((resolve) => {
        if (expected === 0) resolve();
        else waiting.push(resolve);
      }),
  };
}
