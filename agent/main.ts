#!/usr/bin/env node
import { hostname } from 'node:os';
import type { World } from './compose.ts';
import type { Config } from './config/config.ts';
import { runCli } from './cli/program.ts';
import { realClock } from './system/clock.ts';
import { EXIT_CODES, errnoOf } from './system/error.ts';
import { scrub } from './system/environment.ts';
import type { Log } from './system/log-port.ts';
import { spareMemory } from './system/spare-memory.ts';
import { enlargeThreadPool } from './system/thread-pool.ts';
import { userName } from './system/user-name.ts';

/** `version` of package.json, which bundle.mjs puts in: this file runs from the bundle only. */
declare const LASTCALL_VERSION: string;

/** The one place that uses the process itself: its arguments, environment, streams and signals. */

/**
 * The reader of our output has gone (`lastcall status --watch | head -1`): for a command that waits, that is a
 * hang-up.
 */
function onBrokenPipe(error: Error): void {
  if (errnoOf(error) !== 'EPIPE') throw error;
  process.emit('SIGHUP', 'SIGHUP');
}
process.stdout.on('error', onBrokenPipe);

/** The reader of our errors has gone: there is no place to report that, and what was asked for is done all the same. */
function ignoreBrokenPipe(error: Error): void {
  if (errnoOf(error) !== 'EPIPE') throw error;
}

/** Made when it is written to: a command that has no error to report is a millisecond faster without. */
function openStderr(): typeof process.stderr {
  const { stderr } = process;
  if (!stderr.listeners('error').includes(ignoreBrokenPipe)) stderr.on('error', ignoreBrokenPipe);
  return stderr;
}

/** An event loop without work ends at once; one that has not ended after so many milliseconds never will. */
const LAST_MS = 2_000;

const SILENT: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};

if (process.argv[2] === 'run') {
  spareMemory();
  enlargeThreadPool(process.env);
}

/** The environment as lastcall got it: `run` removes from `process.env` what commands must not have. */
const env = { ...process.env };

/** Until the code is known: an event loop that runs empty before has lost a wait, and that is no success. */
process.exitCode = EXIT_CODES.failed;

const ended = runCli({
  argv: process.argv.slice(2),
  env,
  stdout: process.stdout,
  get stderr() {
    return openStderr();
  },
  signals: process,
  clock: realClock,
  by: () => `cli ${userName()}@${hostname()}`,
  hostname,
  version: () => LASTCALL_VERSION,
  // Loaded only when they are needed: `status` must start as fast as node itself.
  run: async (options) => {
    const { runSidecar } = await import('./sidecar.ts');
    scrub(process.env);
    const more = { signals: process, applicationEnv: env };
    return withLog(options.config.log, (log) => runSidecar(options, { ...world(log), ...more }));
  },
  direct: async (options) => {
    const { createDirect } = await import('./direct.ts');
    // What an operator must know is in the result; the engine's own log is not for the terminal.
    return createDirect(options, world(SILENT));
  },
  loadSubstitute: async () => {
    const { createSubstitute, loadRest } = await import('./rare-engines.ts');
    const { createLog } = await import('./system/log.ts');
    await loadRest();
    const format = { level: 'warn', format: 'text', journal: false } as const;
    return (config) => {
      scrub(process.env);
      const log = createLog(format, { clock: realClock, destination: process.stderr });
      return createSubstitute(config, world(log));
    };
  },
  doctor: async (request) => {
    const { examine } = await import('./rare-engines.ts');
    // Commands are given what the sidecar gives them.
    scrub(process.env);
    return examine(request, world(SILENT));
  },
});

void ended.then((code) => {
  process.exitCode = code;
  // A thread of ours that waits for a disk that hangs keeps the process, and Node joins it at exit: a process that still
  // lives then is ended without its exit code. A slow reader gets all of the output first.
  process.stdout.write('', () => setTimeout(() => process.kill(process.pid, 'SIGKILL'), LAST_MS).unref());
});

function world(log: Log): World {
  return { clock: realClock, log, searchPath: process.env['PATH'], env: process.env };
}

/** Gives `work` the log on stderr, and sees its last line out. */
async function withLog(options: Config['log'], work: (log: Log) => Promise<number>): Promise<number> {
  const { createLog } = await import('./system/log.ts');
  const journal = env['JOURNAL_STREAM'] !== undefined;
  const log = createLog({ ...options, journal }, { clock: realClock, destination: process.stderr });
  try {
    return await work(log);
  } finally {
    await log.flush();
  }
}
