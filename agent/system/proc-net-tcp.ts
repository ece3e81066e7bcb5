import { open, readdir, readlink, type FileHandle } from 'node:fs/promises';
import { errnoOf, LastcallError } from './error.ts';
import { createLineSplitter } from './line-splitter.ts';

/** The kernel's tables of TCP sockets, as far as this network namespace goes. Any user may read them. */
export const TABLES = { v4: '/proc/self/net/tcp', v6: '/proc/self/net/tcp6' } as const;
export type Tables = Readonly<Record<keyof typeof TABLES, string>>;

/** One port in the tables. */
export interface PortView {
  /** The sockets that listen there: the user id of each, by its inode. */
  readonly listeners: ReadonlyMap<string, number>;
  /** Established connections to it: the side that accepted. */
  readonly established: number;
  /** The other ends of them, in the kernel's own writing; of more than `SAMPLE` none. */
  readonly callers: ReadonlySet<string>;
  /** The same for sockets of this machine that lead to the port, by their inodes. */
  readonly calls: ReadonlyMap<string, string>;
}

/** How many connections are distinguished. Where there are more, a few of our own do not matter. */
const SAMPLE = 1_024;
const CHUNK_BYTES = 64 * 1_024;
const LINE_BYTES = 1_024;

/** `st` (include/net/tcp_states.h). */
const ESTABLISHED = '01';
const LISTEN = '0A';

/** sl: local:port remote:port st tx:rx tr:when retrnsmt uid timeout inode (Documentation/networking/proc_net_tcp). */
const SOCKET =
  /^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) (0[1-9A-F]) [0-9A-F]{8}:[0-9A-F]{8} [0-9A-F]{2}:[0-9A-F]{8,16} [0-9A-F]{8} +(\d+) +\d+ (\d+)(?: -?[0-9a-f]+)* *$/;
/** The beginning of a line, which is all that is read of sockets of other ports. */
const PORTS =
  /^ *\d+: (?:[0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4} (?:[0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4} 0[1-9A-F] /;

/**
 * Reads both tables in constant memory, whatever their size.
 * @throws LastcallError `failed` for what is no such table, the system's error, or the signal's reason
 */
export async function readPort(port: number, tables: Tables, signal: AbortSignal): Promise<PortView> {
  const counter = createPortCounter(port);
  await readTables(tables, counter.take, signal);
  return counter.view();
}

/**
 * Reads both tables line by line, in constant memory.
 * @param take gets each line but the header, and returns false for one that is none of such a table
 * @throws as `readPort`, or what `take` throws
 */
export async function readTables(
  tables: Tables,
  take: (line: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  await readTable(tables.v4, take, signal);
  // Without IPv6 in the kernel there is no such file.
  await readTable(tables.v6, take, signal).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error;
  });
}

/** One port in the lines of the tables. */
export interface PortCounter {
  /** @returns false for a line that is none of such a table */
  readonly take: (line: string) => boolean;
  readonly view: () => PortView;
}

/** A counter that has read no line yet. */
export function createPortCounter(port: number): PortCounter {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const end = `:${hex} `;
  const listeners = new Map<string, number>();
  const callers = new Set<string>();
  const calls = new Map<string, string>();
  let established = 0;
  return {
    take(line) {
      // Most sockets are none of ours, and all of a line takes longer to read.
      if (!line.includes(end)) return PORTS.test(line);
      const socket = SOCKET.exec(line);
      if (socket === null) return false;
      const [, local = '', localPort, remote = '', remotePort, state, uid, inode = ''] = socket;
      if (localPort === hex && state === LISTEN) listeners.set(inode, Number(uid));
      if (state !== ESTABLISHED) return true;
      if (localPort === hex) {
        established += 1;
        if (callers.size <= SAMPLE) callers.add(connectionKey(remote, remotePort, local));
      } else if (remotePort === hex && calls.size < SAMPLE)
        calls.set(inode, connectionKey(local, localPort, remote));
      return true;
    },
    // Where connections come and go the kernel shows one twice now and then; those that are distinguished are
    // counted once.
    view: () =>
      callers.size <= SAMPLE
        ? { listeners, callers, calls, established: callers.size }
        : { listeners, callers: new Set(), calls, established },
  };
}

/** One connection's two sockets give the same: the caller's address and port, and the address that was called. */
function connectionKey(caller: string, port: string | undefined, called: string): string {
  return `${plain(caller)}:${port ?? ''} ${plain(called)}`;
}

const MAPPED = '0000000000000000FFFF0000';

/** An IPv4 address mapped into IPv6 is the IPv4 address. */
function plain(address: string): string {
  return address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
}

/** One table as it comes, in pieces. */
export interface TableReader {
  /** @throws LastcallError `failed` for what is no such table, as `finish` */
  push(chunk: Buffer): void;
  finish(): void;
}

/** @param take gets each line but the header, and returns false for one that is none of such a table */
export function createTableReader(path: string, take: (line: string) => boolean): TableReader {
  const unlike = (): LastcallError =>
    new LastcallError('failed', `${path} is not the kernel's table of sockets`, {
      target: path,
      elapsedMs: 0,
      next: 'see that /proc is mounted',
    });
  let count = 0;
  const lines = createLineSplitter(
    (line) => {
      const isGood = count === 0 ? HEADER.test(line) : take(line);
      if (!isGood) throw unlike();
      count += 1;
    },
    LINE_BYTES,
    unlike,
  );
  return {
    push: (chunk) => lines.push(chunk),
    finish() {
      if (count === 0 || lines.rest() !== '') throw unlike();
    },
  };
}

const HEADER = /^\s*sl\s+local_address\s/;

async function readTable(path: string, take: (line: string) => boolean, signal: AbortSignal): Promise<void> {
  const reader = createTableReader(path, take);
  signal.throwIfAborted();
  const file = await open(path, 'r');
  try {
    await readAll(file, (chunk) => reader.push(chunk), signal);
  } finally {
    await file.close();
  }
  reader.finish();
}

async function readAll(file: FileHandle, take: (chunk: Buffer) => void, signal: AbortSignal): Promise<void> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return;
    take(buffer.subarray(0, bytesRead));
  }
}

/** The inodes of this process's own sockets, of whatever kind. */
export function ownSockets(): Promise<Set<string>> {
  return socketsOf('self');
}

/**
 * The inodes of the sockets that a process has open.
 * @throws the system's error: ENOENT or ESRCH when it has ended, EACCES when it is another user's
 */
export async function socketsOf(pid: number | 'self'): Promise<Set<string>> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder);
  const links = await Promise.all(
    names.map((name) =>
      readlink(`${folder}/${name}`).catch((error: unknown) => {
        // Closed since the list was made, as the list itself.
        if (errnoOf(error) === 'ENOENT') return '';
        throw error;
      }),
    ),
  );
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}
