import type { ChildProcess, StdioOptions } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { openSpool, type Spool } from './spool.ts';

/** The output of a command, of which the first `maxBytes` of stdout and of stderr are kept. */
export interface CapturedOutput {
  /** For `spawn`. */
  readonly stdio: StdioOptions;
  /** The command has begun. */
  attach(child: ChildProcess): void;
  /** What was kept; what comes after this is thrown away, and does not keep our process alive. */
  take(): { readonly stdout: string; readonly stderr: string; readonly truncated: boolean };
  /** Called now and then while the command runs: frees the space of output that will not be kept. */
  trim(): void;
  /** Closes lastcall's end: a daemon that was left behind gets EPIPE when it writes to a pipe from here on. */
  close(): void;
}

/** stdout and stderr go where our own stderr goes, and nothing is kept. */
export function inheritedOutput(): CapturedOutput {
  return {
    stdio: ['ignore', 2, 2],
    attach: () => undefined,
    take: () => ({ stdout: '', stderr: '', truncated: false }),
    trim: () => undefined,
    close: () => undefined,
  };
}

/** Through pipes: they break when our process ends. */
export function pipedOutput(maxBytes: number): CapturedOutput {
  let kept: readonly KeptStream[] = [];
  let streams: readonly (Readable | null)[] = [];
  return {
    stdio: ['ignore', 'pipe', 'pipe'],
    attach({ stdout, stderr }) {
      streams = [stdout, stderr];
      kept = streams.flatMap((stream) => (stream ? [keepFirst(stream, maxBytes)] : []));
    },
    take() {
      const [stdout = '', stderr = ''] = kept.map((stream) => stream.take());
      return { stdout, stderr, truncated: kept.some((stream) => stream.truncated()) };
    },
    trim: () => undefined, // A pipe holds no more than the kernel gives it.
    close() {
      for (const stream of streams) stream?.destroy();
    },
  };
}

/** Into files without a name, which outlive our process; where none can be made, as `inheritedOutput`. */
export function spooledOutput(maxBytes: number): CapturedOutput {
  const spools = openSpools();
  if (spools === null) return inheritedOutput();
  const [out, err] = spools;
  return {
    stdio: ['ignore', out.fd, err.fd],
    attach: () => undefined,
    take() {
      const [stdout, stderr] = [out.read(maxBytes), err.read(maxBytes)];
      return {
        stdout: stdout.text,
        stderr: stderr.text,
        truncated: stdout.truncated || stderr.truncated,
      };
    },
    trim() {
      out.trim(maxBytes);
      err.trim(maxBytes);
    },
    close() {
      out.close();
      err.close();
    },
  };
}

function openSpools(): readonly [Spool, Spool] | null {
  let out: Spool | null = null;
  try {
    out = openSpool();
    return [out, openSpool()];
  } catch {
    out?.close();
    return null; // A read-only file system: the command's output goes to our own stderr.
  }
}

interface KeptStream {
  truncated(): boolean;
  take(): string;
}

function keepFirst(stream: Readable, maxBytes: number): KeptStream {
  const chunks: Buffer[] = [];
  let room = maxBytes;
  let truncated = false;
  const keep = (chunk: Buffer): void => {
    truncated ||= chunk.length > room;
    if (room > 0) chunks.push(chunk.subarray(0, room));
    room = Math.max(0, room - chunk.length);
  };
  stream.on('data', keep);
  stream.on('error', () => (truncated = true));
  return {
    truncated: () => truncated,
    take() {
      stream.off('data', keep);
      stream.resume();
      (stream as Socket).unref();
      return Buffer.concat(chunks).toString('utf8');
    },
  };
}
