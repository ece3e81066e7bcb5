import { constants } from 'node:os';
import { durationAdvice, parseDuration } from '../formats/duration.ts';
import type { NumberBound } from './bounds.ts';
import { PROBE_TCP_HOST } from './defaults.ts';
import { findingsOf, listed, messageFor } from './messages.ts';
import {
  readEndpoint,
  readMode,
  balancerAddressProblem,
  etcdEndpointProblem,
  masterAddressProblem,
  groupProblem,
  lineProblem,
  networkProblem,
  nodeNameProblem,
  pathProblem,
  pointerProblem,
  pollerIdProblem,
  serverNameProblem,
  socketPathProblem,
  urlProblem,
} from './validators.ts';
import { readUnitName, containerNameProblem } from './app-validators.ts';
import {
  contextProblem,
  globProblem,
  managerUrlProblem,
  patternProblem,
  seriesProblem,
  tableNameProblem,
  userNameProblem,
} from './source-validators.ts';
import * as z from 'zod';

// It is read once: a parser that zod writes as a program, and V8 compiles, costs more than it saves.
z.config({ jitless: true });

/** Those that may end a process: the others freeze it, or wake it (signal(7)). */
const SIGNALS = (Object.keys(constants.signals) as NodeJS.Signals[]).filter(
  (name) => !['SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGCONT'].includes(name),
);

/**
 * The kinds of value that a configuration is made of, and the two ways in which its mappings are built. Where zod cannot know
 * what may be written, `meta` has it for the JSON Schema (json-schema.ts): a pattern, or one more type in `alsoWritten`.
 */

/** No path is longer (PATH_MAX, limits.h), and no other text of a configuration has to be. */
const MAX_TEXT = 4_095;
/** No argument of a program is longer, its NUL included (MAX_ARG_STRLEN, execve(2)). */
const MAX_ARGUMENT_BYTES = 131_071;

/**
 * A text for which `problem` answers nothing.
 * @param most its length; Infinity where `problem` has a limit of its own
 */
function text(problem: (written: string) => string | undefined, most = MAX_TEXT) {
  return z.string().superRefine((written, context) => {
    const message = tooLong(written, most) ?? problem(written);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

function tooLong(written: string, most = MAX_TEXT): string | undefined {
  return written.length > most ? `is longer than ${most} characters` : undefined;
}

/** A text that is turned into a value; undefined gives `message`. */
function reading<T>(read: (written: string) => T | undefined, message: string) {
  return text((written) => (read(written) === undefined ? message : undefined)).transform(
    (written) => read(written) as T,
  );
}

function notDuration(zero: 'zero' | 'no-zero') {
  return ({ input }: { readonly input?: unknown }): string => {
    if (input === undefined) return 'is required';
    return typeof input === 'number' ? durationAdvice(input, zero) : 'expected a duration such as 30s';
  };
}

const DURATION = {
  description: 'a duration such as 500ms, 2s, 5m or 1h30m',
  pattern: String.raw`^(?=\d)(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$`,
};

function durationBy<N>(zero: 'zero' | 'no-zero', never?: N) {
  const hint = never === undefined ? DURATION : { ...DURATION, pattern: `^never$|${DURATION.pattern}` };
  return z
    .string({ error: notDuration(zero) })
    .meta(hint)
    .transform((written, context): number | N => {
      if (never !== undefined && written === 'never') return never;
      const parsed = parseDuration(written, zero);
      if (parsed.ok) return parsed.ms;
      context.addIssue({ code: 'custom', message: parsed.message });
      return z.NEVER;
    });
}

/** In milliseconds, longer than nothing. */
export const duration = durationBy<never>('no-zero');
/** In milliseconds, `0s` allowed. */
export const durationOrZero = durationBy<never>('zero');
/** In milliseconds; `never` is null. */
export const durationOrNever = durationBy('no-zero', null);

export const path = text(pathProblem);
export const socketPath = text(socketPathProblem);
export const httpUrl = text(urlProblem);
export const etcdEndpoint = text(etcdEndpointProblem);
export const balancerAddress = text(balancerAddressProblem);
export const masterAddress = text(masterAddressProblem);
export const serverName = text(serverNameProblem, Infinity);
export const network = text(networkProblem);
export const jsonPointer = text(pointerProblem);
export const pattern = text(patternProblem);
export const series = text(seriesProblem);
export const tableName = text(tableNameProblem);
export const managerUrl = text(managerUrlProblem);
export const userName = text(userNameProblem);
export const tomcatContext = text(contextProblem);
export const glob = text(globProblem);
export const containerName = text(containerNameProblem);
/** The full name of a service of systemd. */
export const unitName = reading(
  readUnitName,
  'is not the name of a service of systemd, write for example tomcat10.service',
);
export const nodeName = text(nodeNameProblem);
export const pollerId = text(pollerIdProblem);
export const group = text(groupProblem);
/** One whose meaning is checked with the other values. */
export const anyText = text(() => undefined);
/** One line that operators read, such as a reason. */
export const line = text(lineProblem);
export const nonEmpty = text((written) => (written === '' ? 'must not be empty' : undefined));
/** A whole number within its bound; the message of a larger one has the reason. */
export function whole({ least, most, why }: NumberBound) {
  return z
    .int()
    .min(least)
    .max(most, { error: `must be ${most} or less: ${why}` });
}

export const httpStatus = z.int().min(100).max(599);
export const port = z.int().min(1).max(65_535);
/** One that ends an exchange, and may have a body. */
export const finalStatus = z
  .int()
  .min(200)
  .max(599)
  .refine((status) => ![204, 205, 304].includes(status), { error: 'is a status without a body' });

export const endpoint = reading(
  readEndpoint,
  'is not host:port, write for example 127.0.0.1:8080 or [::1]:8080',
);

/** `host:port`, or a port of this machine. */
export const endpointOrPort = z
  .preprocess((written) => (typeof written === 'number' ? `${PROBE_TCP_HOST}:${written}` : written), endpoint)
  .meta({ alsoWritten: 'integer' });

/** Octal in quotes: unquoted, YAML 1.2 reads 0660 as six hundred and sixty. */
export const fileMode = z
  .unknown()
  .meta({ type: 'string', pattern: '^0?[0-7]{3}$' })
  .transform((written, context) => {
    const mode = typeof written === 'string' ? readMode(written) : undefined;
    if (mode !== undefined) return mode;
    context.addIssue({
      code: 'custom',
      message: 'expected an octal mode in quotes, write for example "0660"',
    });
    return z.NEVER;
  });

/** An argument of a command; a number is its text, as YAML reads it (a port, a count). */
const argument = z
  .preprocess(
    (written) => (typeof written === 'number' && Number.isSafeInteger(written) ? String(written) : written),
    z.string().superRefine((written, context) => {
      if (Buffer.byteLength(written) > MAX_ARGUMENT_BYTES)
        context.addIssue({ code: 'custom', message: `is longer than ${MAX_ARGUMENT_BYTES} bytes` });
    }),
  )
  .meta({ alsoWritten: 'integer' });

/** Program and arguments; no shell ever sees them, so a single text is refused. */
export const command = z
  .array(argument, {
    error: ({ code, input }) =>
      code === 'invalid_type' && typeof input === 'string'
        ? 'expected a list of program and arguments, such as [systemctl, stop, app]; no shell is used'
        : undefined,
  })
  .superRefine(([program], context) => {
    if (program === undefined || program === '')
      context.addIssue({ code: 'custom', message: 'names no program' });
  });

export const signalName = reading(
  (written) => SIGNALS.find((name) => name === written),
  'is not the name of a signal that may end a process, write for example SIGTERM',
);

/**
 * A mapping with these keys and no other; the message for an unknown one lists the known.
 * @param expected the message where there is no mapping
 */
export function mapping<S extends z.ZodRawShape>(shape: S, expected?: string) {
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? knownKeys(Object.keys(shape)) : expected),
  });
}

/** A key that may be left out: null then. Written without a value it is an error, not null. */
export function orNull<T extends z.ZodType>(schema: T) {
  return schema.optional().transform((value) => value ?? null);
}

function knownKeys(keys: readonly string[]): string {
  return `known here: ${keys.join(', ')}`;
}

/**
 * A mapping of one kind out of several, distinguished by the one key that only this kind has. Not a union of zod:
 * that answers with the complaints of every kind at once. Its kinds are in its `meta`, for code that lists the
 * keys.
 */
export function oneOf<S extends Readonly<Record<string, z.ZodObject>>>(kinds: S) {
  const names = Object.keys(kinds);
  const known = [...new Set(names.flatMap((name) => Object.keys(kinds[name]?.shape ?? {})))];
  return z
    .looseObject({})
    .meta({ kinds })
    .transform((written, context): z.output<S[keyof S]> => {
      const present = names.filter((name) => Object.hasOwn(written, name));
      const kind = present.length === 1 ? kinds[String(present[0])] : undefined;
      const read = kind?.safeParse(written, { error: messageFor });
      if (read?.success === true) return read.data as z.output<S[keyof S]>;
      const issues = read?.error.issues ?? kindProblem(names, present.length, known, written);
      // Not handed on as they are: zod lets a transform run after an unknown key, and here nothing was read.
      for (const { path, message, at } of issues.flatMap(findingsOf)) {
        context.addIssue({ code: 'custom', path: [...path], message, params: { at } });
      }
      return z.NEVER;
    });
}

type Issue = Parameters<typeof findingsOf>[0];

function kindProblem(
  names: readonly string[],
  present: number,
  known: readonly string[],
  written: object,
): Issue[] {
  const message = `${present === 0 ? 'needs' : 'takes only one of'} ${listed(names, 'or')}`;
  const keys = Object.keys(written).filter((key) => !known.includes(key));
  return [
    { code: 'custom', path: [], message },
    { code: 'unrecognized_keys', path: [], message: knownKeys(known), keys },
  ];
}
