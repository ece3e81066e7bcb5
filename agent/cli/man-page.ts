import type { Command, Option } from 'commander';
import { EXIT_CODES, type Code } from '../system/error.ts';
import { EXAMPLES } from './help.ts';

/** The page of `man lastcall`, made from the commands and options that the program has (agent/man.mjs writes it). */

/** 143 is 128 and the number of SIGTERM, as 130 is that of SIGINT. */
type PageExitCode = (typeof EXIT_CODES)[Code] | 143;

/** The meaning of each exit code; the page adds which `code` of `--json` ends with it. */
const EXIT_TEXTS: Readonly<Record<PageExitCode, string>> = {
  0: 'Done, or was already so. Also: the policy `force` ended it, with `forced` above 0 in the result and a warning.',
  1: 'Failed or cancelled; the line says what.',
  64: 'A mistake on the command line. Without any command the help is shown, and the exit code is this one, so that a script with an empty variable does not go on.',
  69: 'The sidecar, or a balancer, cannot be reached.',
  70: 'The application did not stop, or did not become healthy.',
  73: 'The state could not be written: nothing was started.',
  75: 'Refused for now: nothing changed, or what was found was put back.',
  78: 'The configuration; or what it names does not exist in HAProxy, or is not allowed.',
  124: 'The deadline has passed: what was found is put back (`restore`), or it is still draining (`hold`).',
  130: 'Interrupted by SIGINT or SIGHUP. With a sidecar the operation goes on; without one what was found is put back.',
  143: 'Interrupted by SIGTERM; also for a command that waits for a `reboot` that has begun.',
};

const DESCRIPTION = [
  '`lastcall` takes one stateful node out of service behind HAProxy: every balancer sends it no new users, the existing users finish, zero is counted at every balancer and by every source, the node is fenced with MAINT, all is counted once more, and only then the application is stopped. Later it brings the node back.',
  'It runs as a sidecar beside each node (`lastcall run`), and each of the other commands asks that sidecar. With `--haproxy` and `--server` the same work is done without a sidecar and without a file.',
  'Every command is idempotent: what is already so is answered with exit code 0 at once, and a second caller joins the operation that runs.',
];

const NOTES = [
  ['Durations', 'are written with their unit: `500ms`, `2s`, `5m`, `1h30m`.'],
  ['Addresses', 'of HAProxy are `unix:/path`, `/path`, `tcp://host:port` or `tls://host:port`.'],
  ['Servers', 'have the name that HAProxy has for them: `backend/server`.'],
] as const;

const FILES = [
  ['/etc/lastcall/lastcall.yaml', 'the configuration; `lastcall check` says whether it is right'],
  ['/run/lastcall/NODE.sock', 'the control socket of the sidecar of that node'],
  ['/var/lib/lastcall/NODE.json', 'what survives a crash of the sidecar or a reboot'],
] as const;

const ENVIRONMENT = [
  ['LASTCALL_CONFIG', 'the configuration file, where `--config` is not given'],
  ['NO_COLOR', 'where it is set, nothing is written in colour; each state is a word, too'],
] as const;

/**
 * The page in the macros of man(7).
 * @param program with all of its commands
 */
export function manPage(program: Command, version: string): string {
  const commands = program.createHelp().visibleCommands(program);
  const items = (pairs: readonly (readonly [string, string])[]): string[] =>
    pairs.flatMap(([name, text]) => item(bold(name), text));
  return [
    `.TH LASTCALL 1 "" ${quoted(`lastcall ${version}`)} "User Commands"`,
    ...section('NAME', ['lastcall \\- drain, stop and return a stateful node behind HAProxy']),
    ...section('SYNOPSIS', commands.flatMap((command) => ['.br', synopsis(command)]).slice(1)),
    ...section('DESCRIPTION', DESCRIPTION.flatMap((text) => ['.PP', paragraph(text)]).slice(1)),
    ...section('COMMANDS', commands.flatMap(commandPart)),
    ...section('OPTIONS OF EVERY COMMAND', options(program.options)),
    ...section('NOTATION', items(NOTES)),
    ...section('EXIT STATUS', exits()),
    ...section('FILES', items(FILES)),
    ...section('ENVIRONMENT', items(ENVIRONMENT)),
    ...section('EXAMPLES', example(EXAMPLES.root).slice(1)),
    ...section('SEE ALSO', ['.BR haproxy (1),', '.BR systemctl (1)']),
    '',
  ].join('\n');
}

function section(name: string, lines: readonly string[]): string[] {
  return [`.SH ${quoted(name)}`, ...lines];
}

function synopsis(command: Command): string {
  // "[options] <node>", and for `run` what its own usage says.
  const words = command.usage().replaceAll(/[A-Z]+/g, (word) => word.toLowerCase());
  const rest = words.split(/([a-z]{2,})/).map((part, at) => (at % 2 === 1 ? italic(part) : escaped(part)));
  return `${bold(`lastcall ${command.name()}`)} ${rest.join('')}`;
}

function commandPart(command: Command): string[] {
  const name = command.name();
  const shown = command.options.filter(({ hidden }) => !hidden);
  const groups = [...new Set(shown.map(({ helpGroupHeading }) => helpGroupHeading))];
  return [
    `.SS ${quoted(name)}`,
    synopsis(command),
    '.PP',
    sentence(command.description()),
    ...groups.flatMap((group) => [
      ...(group === undefined ? [] : ['.PP', escaped(group)]),
      ...options(shown.filter((option) => option.helpGroupHeading === group)),
    ]),
    ...(hasExamples(name) ? example(EXAMPLES[name]) : []),
  ];
}

function hasExamples(name: string): name is keyof typeof EXAMPLES {
  return Object.hasOwn(EXAMPLES, name);
}

function options(given: readonly Option[]): string[] {
  return given.filter(({ hidden }) => !hidden).flatMap((option) => item(flagsOf(option), textOf(option)));
}

function flagsOf({ short, long, flags }: Option): string {
  const value = /<([^>]+)>/.exec(flags)?.[1];
  const names = [short, long].filter((flag) => flag !== undefined).map(bold);
  return `${names.join(', ')}${value === undefined ? '' : ` ${italic(value)}`}`;
}

function textOf({ description, argChoices }: Option): string {
  if (argChoices === undefined) return description;
  return `${description} (${argChoices.map((choice) => `\`${choice}\``).join(', ')})`;
}

/** A term and what it means. @param term in roff */
function item(term: string, text: string): string[] {
  return ['.TP', term, sentence(text)];
}

function exits(): string[] {
  return Object.entries(EXIT_TEXTS).flatMap(([exit, text]) => {
    const codes = Object.entries(EXIT_CODES).filter(([, code]) => String(code) === exit);
    const names = codes.map(([code]) => `\`${code}\``).join(', ');
    return item(bold(exit), names === '' ? text : `${text} Code: ${names}.`);
  });
}

/** Lines as they are, in a font of equal width. */
function example(lines: readonly string[]): string[] {
  return ['.PP', '.EX', ...lines.map((line) => atStart(escaped(line))), '.EE'];
}

/** The help's texts begin small and have no full stop; an address or a path at the start stays as it is. */
function sentence(text: string): string {
  const full = text.replace(
    /^[a-z]+(?=[ ,;:]+[^/ ])/,
    (word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`,
  );
  return paragraph(/[.!?]$/.test(full) ? full : `${full}.`);
}

/** A text in which what stands between backticks is bold. */
function paragraph(text: string): string {
  const parts = text.split('`').map((part, at) => (at % 2 === 1 ? bold(part) : escaped(part)));
  return atStart(parts.join(''));
}

function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${escaped(text)}\\fR`;
}

/** A line that begins with one of these two would be a request to roff. */
function atStart(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

/** The argument of a macro. */
function quoted(text: string): string {
  return `"${escaped(text).replaceAll('"', '\\(dq')}"`;
}

/** A text as roff shows it: `-` is the character of the keyboard, which can be copied, and not a hyphen. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll(
      /[^\0-\x7f]/gu,
      (sign) => `\\[u${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
    );
}
