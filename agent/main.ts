#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { runCli } from './cli/program.ts';
import { realClock } from './system/clock.ts';
import { errnoOf } from './system/error.ts';

/** The one place that knows the process: its words, its environment, its streams, its signals. */

/** Whoever read us has gone (`lastcall status --watch | head -1`): for a command that waits, that is a hang-up. */
function onBrokenPipe(error: Error): void {
  if (errnoOf(error) !== 'EPIPE') throw error;
  process.emit('SIGHUP', 'SIGHUP');
}
process.stdout.on('error', onBrokenPipe);

process.exitCode = await runCli({
  argv: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  signals: process,
  clock: realClock,
  by: () => `cli ${userName()}@${hostname()}`,
  hostname,
  version: () => {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    return (JSON.parse(text) as { version: string }).version;
  },
  run: async (options) => (await import('./compose.ts')).runSidecar(options),
  direct: async (options) => (await import('./compose.ts')).createDirect(options),
});

/** The name as the system knows it, or the number: a container's user often has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
