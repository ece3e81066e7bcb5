import { LastcallError } from '../system/error.ts';
import { isName, isTableName, type ServerName } from './names.ts';

declare const made: unique symbol;

/**
 * One line that may be sent to the Runtime API. Only the functions below make one, so nothing else can be sent: the
 * socket gives full control over HAProxy.
 */
export interface Command {
  /** Without the newline. */
  readonly line: string;
  /** How many commands it holds: each has its own answer. */
  readonly parts: number;
  /** A client that closes before the end of the answer may be HAProxy's end (BEHAVIOUR.md#cut-answers). */
  readonly mustEnd: boolean;
  readonly [made]: true;
}

function make(line: string, parts = 1): Command {
  return Object.freeze({ line, parts, mustEnd: MUST_END.test(line) }) as Command;
}

const MUST_END = /\bshow servers (?:state|conn)\b/;

/** `show info`: which process answers. */
export const showInfo = (): Command => make('show info');

/** `show cli level`: what this socket allows; answered at every level. */
export const showLevel = (): Command => make('show cli level');

/**
 * One row of statistics. By number, since `show stat NAME` finds a frontend of the same name first (tried on 2.6.12); with
 * `#`, since `show stat 443` finds a proxy that is named 443 first, and takes it for a number only then (tried on 2.2.9,
 * 2.6.12, 3.0.11 and 3.2.26). Of a number that no proxy has HAProxy says `No such proxy`.
 */
export const showServer = (place: { readonly backendId: number; readonly serverId: number }): Command =>
  make(`show stat #${whole(place.backendId)} 4 ${whole(place.serverId)}`);

/**
 * The same row and the BACKEND row after it, with one header (2 + 4: the number of a server picks servers alone; tried
 * on 2.2.9, 2.6.12, 3.0.11 and 3.2.26, at every level of a socket).
 */
export const showServerAndBackend = (place: {
  readonly backendId: number;
  readonly serverId: number;
}): Command => make(`show stat #${whole(place.backendId)} 6 ${whole(place.serverId)}`);

/** The rows of all servers of a backend, and the BACKEND row; grows with the backend. */
export const showSiblings = (place: { readonly backendId: number }): Command =>
  make(`show stat #${whole(place.backendId)} 6 -1`);

/** The rows of all servers of a backend; grows with the backend. */
export const showBackendServers = (place: { readonly backendId: number }): Command =>
  make(`show stat #${whole(place.backendId)} 4 -1`);

/** The BACKEND row of a proxy. */
export const showBackend = (place: { readonly backendId: number }): Command =>
  make(`show stat #${whole(place.backendId)} 2 -1`);

/** The row of every server of every backend, and the BACKEND rows (2 + 4): once per operation, never in a poll. */
export const showAllRows = (): Command => make('show stat -1 6 -1');

/** All servers of a backend with their numbers and admin bits; grows with the backend. Takes a name only. */
export const showServersState = (backend: string): Command =>
  make(`show servers state ${proxyName(backend)}`);

/** The same of all backends; grows with HAProxy's configuration. */
export const showAllServers = (): Command => make('show servers state');

/** Every stick table, one line each, without its entries. */
export const showTables = (): Command => make('show table');

/** Asks for entries that cannot exist (server ids begin at 1): an error means that the table stores none. */
export const probeTable = (table: string): Command => {
  if (!isTableName(table)) throw invalidArgument(table);
  return make(`show table ${table} data.server_id lt 0`);
};

/** All of a stick table, with its entries. HAProxy's filters take numbers only, and it routes by `server_key`. */
export const showTable = (table: string): Command => {
  if (!isTableName(table)) throw invalidArgument(table);
  return make(`show table ${table}`);
};

/** The weight of a server, one short line; by its name, so it shows as well whether there is one of that name. */
export const getWeight = (name: ServerName): Command => make(`get weight ${serverName(name)}`);

/** The `peers` sections, with the tables that they share. */
export const showPeers = (): Command => make('show peers');

export const setState = (name: ServerName, state: 'ready' | 'drain' | 'maint'): Command =>
  make(`set server ${serverName(name)} state ${state}`);

/** @param weight 0 to 256, absolute: a percentage is cut off to a whole number (BEHAVIOUR.md#weights) */
export const setWeight = (name: ServerName, weight: number): Command =>
  make(`set server ${serverName(name)} weight ${whole(weight)}`);

export const shutdownSessions = (name: ServerName): Command =>
  make(`shutdown sessions server ${serverName(name)}`);

/** Connections in use by server; a stopping worker of 2.4 shows nothing else (BEHAVIOUR.md#versions). */
export const showServersConn = (backend: string): Command => make(`show servers conn ${proxyName(backend)}`);

/** One line per stream. The filter came with 3.2; older ones ignore it and list all (BEHAVIOUR.md#versions). */
export const showStreams = (name: ServerName): Command => make(`show sess server ${serverName(name)}`);

/** One stream at length. */
export const showStream = (pointer: string): Command => make(`show sess ${address(pointer)}`);

export const shutdownStream = (pointer: string): Command => make(`shutdown session ${address(pointer)}`);

/** To a master CLI: its workers. It closes the connection only on request. */
export const showProc = (): Command => make(`show proc;${QUIT}`);

/** A line for the worker `pid`, by way of its master: each command needs the prefix (BEHAVIOUR.md#the-master-socket). */
export function toWorker(pid: number, command: Command): Command {
  const commands = commandsOf(command).map((part) => `@!${whole(pid)} ${part}`);
  return make([...commands, QUIT].join(';'), command.parts);
}

/** Makes a connection interactive: HAProxy then leaves it open, and each answer ends with a prompt (BEHAVIOUR.md#runtime-api). */
export const PROMPT = 'prompt';
/** Ends such a connection once the command before it is done. */
export const QUIT = 'quit';

/** Several commands in one line and one connection, answered in their order. */
export function batch(...commands: readonly Command[]): Command {
  const parts = commands.reduce((sum, command) => sum + command.parts, 0);
  return make(commands.map(({ line }) => line).join(';'), parts);
}

/** The same as commands of their own. */
export function partsOf(command: Command): readonly Command[] {
  return command.parts === 1 ? [command] : commandsOf(command).map((line) => make(line));
}

/** The commands of a line, one by one; no name holds a `;` (names.ts). */
export function commandsOf({ line }: Command): readonly string[] {
  return line.split(';');
}

function serverName({ backend, server }: ServerName): string {
  return `${proxyName(backend)}/${proxyName(server)}`;
}

function proxyName(name: string): string {
  if (!isName(name)) throw invalidArgument(name);
  return name;
}

function address(pointer: string): string {
  if (!/^0x[0-9a-f]{1,16}$/.test(pointer)) throw invalidArgument(pointer);
  return pointer;
}

function whole(number: number): string {
  if (!Number.isSafeInteger(number) || number < 0) throw invalidArgument(String(number));
  return String(number);
}

function invalidArgument(text: string): LastcallError {
  const shown = JSON.stringify(text);
  return new LastcallError('usage', `${shown} cannot be part of a command; nothing was sent`, {
    target: shown,
    next: 'use letters, digits and _ . : - only',
  });
}
