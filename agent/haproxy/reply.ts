import { LastcallError, type Code } from '../system/error.ts';
import { quoted } from '../system/printable.ts';
import type { Command } from './command.ts';

/** A row has 2 kB, a server in `show servers state` 100 bytes: room for a backend of 40,000. */
export const MOST_BYTES = 4 * 1024 * 1024;

/** The whole answer to one line, as it came up to the end of the connection. */
export interface Reply {
  readonly text: string;
  readonly command: Command;
  /** The address it came from. */
  readonly target: string;
  readonly elapsedMs: number;
}

interface Refusal {
  readonly pattern: RegExp;
  readonly code: Code;
  readonly next: string;
}

/**
 * HAProxy's messages, the same from 1.8 to 3.5 (BEHAVIOUR.md#runtime-api; `Proxy is disabled.`
 * BEHAVIOUR.md#reload).
 */
const REFUSALS: readonly Refusal[] = [
  {
    pattern: /^(No such (server|backend)|Can't find backend|Require 'backend\/server')/,
    code: 'no-such-server',
    next: 'compare the name with `show servers state` of this HAProxy',
  },
  {
    pattern: /^Permission denied/,
    code: 'not-permitted',
    next: 'give this `stats socket` `level admin`, or let agent-check be the writer',
  },
  {
    pattern: /^Backend is using a static LB algorithm/,
    code: 'config',
    next: 'let the backend balance by roundrobin, leastconn, random or `hash-type consistent`, or leave out return.warmUp',
  },
  {
    pattern: /^Proxy is disabled/,
    code: 'balancer-unreachable',
    next: 'ask again: a worker that is stopping after a reload takes no orders (or the backend is `disabled`)',
  },
  {
    pattern: /^Can't find the target PID matching the prefix/,
    code: 'balancer-unreachable',
    next: 'see that `master` names the master CLI (`-S`) of this very HAProxy; after a reload, ask again',
  },
  {
    pattern: /^(Unknown command|No such table|Filter entry|usage:|'set server <srv> state')/i,
    code: 'failed',
    next: 'see whether this HAProxy is 2.4 or newer',
  },
  // Any message that a socket with `severity-output` marks as an error: emerg (0) to warning (4).
  {
    pattern: /^\[([0-4]|emerg|alert|crit|err|warning)\]: /,
    code: 'failed',
    next: 'look at the answer of HAProxy',
  },
];

/**
 * The answers of a line of `show` commands, one text for each, without the blank line that ends it.
 * @throws LastcallError for the first one that HAProxy refused; `balancer-unreachable` when an end is missing: an
 *   answer that was cut must not be read as a shorter one
 */
export function answersOf(reply: Reply): readonly string[] {
  const answers = split(reply.text);
  for (const answer of answers) throwRefusal(answer, reply);
  if (!reply.text.endsWith('\n\n') || answers.length !== reply.command.parts) throw cut(reply);
  return answers;
}

/**
 * Checks that a write was done: HAProxy then answers nothing but a newline.
 * @throws LastcallError for every other answer
 */
export function expectDone(reply: Reply): void {
  if (reply.text === '') throw cut(reply);
  if (reply.text.trim() === '') return;
  throwRefusal(reply.text, reply);
  throw unexpected(reply, reply.text);
}

/** The request and the process that answered it. */
export type ReplyContext = Omit<Reply, 'text'>;

/** Fails if HAProxy's answer is a known refusal. */
export function throwRefusal(answer: string, reply: ReplyContext): void {
  const bare = withoutSeverity(answer);
  const refusal = REFUSALS.find(({ pattern }) => pattern.test(bare) || pattern.test(answer));
  if (refusal === undefined) return;
  const message = `${reply.target}: \`${reply.command.line}\`: ${firstLine(bare)}`;
  throw new LastcallError(refusal.code, message, { ...contextOf(reply), next: refusal.next });
}

/** `[3]: ` or `[err]: `, which a socket with `severity-output` puts before its messages. */
export function withoutSeverity(text: string): string {
  return text.replace(/^\[(\d|[a-z]+)\]: /, '');
}

/** An answer that is neither the requested one nor a known refusal. */
export function unexpected(reply: ReplyContext, answer: string): LastcallError {
  const message = `${reply.target}: an answer that cannot be read to \`${reply.command.line}\`: ${firstLine(answer)}`;
  return new LastcallError('balancer-unreachable', message, {
    ...contextOf(reply),
    next: 'see that this is the `stats socket` of a HAProxy of version 2.4 or newer',
  });
}

function cut(reply: Reply): LastcallError {
  return truncated(Buffer.byteLength(reply.text), reply);
}

/** An answer that ended in the middle. */
export function truncated(bytes: number, reply: ReplyContext): LastcallError {
  const message = `${reply.target}: the answer to \`${reply.command.line}\` was cut after ${bytes} bytes`;
  return new LastcallError('balancer-unreachable', message, {
    ...contextOf(reply),
    next: 'ask again; if it stays so, see whether HAProxy crashes (its log)',
  });
}

export function contextOf({ target, elapsedMs }: ReplyContext): { target: string; elapsedMs: number } {
  return { target, elapsedMs };
}

function split(text: string): readonly string[] {
  return (text.endsWith('\n\n') ? text.slice(0, -2) : text).split('\n\n');
}

/** One line without a character that a terminal obeys, short enough for a message. */
function firstLine(text: string): string {
  const line = text.trimStart().split('\n', 1)[0] ?? '';
  return quoted(line.slice(0, 120)).slice(1, -1);
}

/**
 * A master's message that it has no such worker; from 2.8 on it leaves the connection open after it
 * (BEHAVIOUR.md#the-master-socket).
 */
const NO_WORKER = /(?:^|\n)Can't find the target PID matching the prefix [^\n]*\n\s*$/;

/**
 * Ends an exchange with a worker that its master does not have: nothing comes after that message, not even the end.
 * @param tail the last hundred bytes of the answer so far, or more
 * @throws LastcallError `balancer-unreachable` when that message has come
 */
export function throwIfNoWorker(tail: string, asked: ReplyContext): void {
  if (NO_WORKER.test(tail)) throwRefusal(tail.trim().split('\n').at(-1) ?? '', asked);
}

/** An answer, or a line of one, that no HAProxy would give. */
export function tooLong(target: string, what: string): LastcallError {
  return new LastcallError('balancer-unreachable', `${target}: ${what}`, {
    target,
    next: 'see that this is the `stats socket` of a HAProxy',
  });
}
