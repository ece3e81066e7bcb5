import { stat } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import type { Config } from './config.ts';
import type { SourceConfig } from './source-config.ts';

/** The files that decide what this process does, and that other users of this machine may read or change. */

const OTHERS_WRITE = 0o022;
const OTHERS_READ = 0o004;
const STICKY = 0o1000;

/**
 * A warning for each file that decides what is run (the configuration, the commands) and that others than its owner may
 * change, and for each key and password that every user may read. What is not there, or may not be seen, is no matter
 * of this check.
 * @param file the configuration's own
 */
export async function exposedFiles(file: string, config: Config): Promise<string[]> {
  const changed = await Promise.all(
    [...new Set([file, ...programsOf(config)])].map(async (path) =>
      (await mayOthersChange(path))
        ? [`${path} may be changed by others than its owner, and decides what is run: take that right away`]
        : [],
    ),
  );
  const read = await Promise.all(
    [...new Set(secretsOf(config))].map(async (path) =>
      ((await modeOf(path)) & OTHERS_READ) !== 0
        ? [`${path} may be read by every user of this machine, and holds a secret: take that right away`]
        : [],
    ),
  );
  return [...changed, ...read].flat();
}

/** The programs that are written with a path; those that PATH finds are the system's. */
function programsOf({ app, sessions, drain, schedule, hooks }: Config): string[] {
  const { probe, start, stop } = app;
  const commands = [
    probe?.how.kind === 'command' ? probe.how.command : [],
    start !== null && 'command' in start ? start.command : [],
    stop?.kind === 'command' ? stop.command : [],
    drain.gate?.on.command ?? [],
    drain.gate?.off.command ?? [],
    ...[...drain.warn, ...hooks].map((hook) => (hook.kind === 'command' ? hook.command : [])),
    ...sessions.map((source) => (source.kind === 'command' ? source.command : [])),
    ...schedule.map(({ when }) => (when?.kind === 'command' ? when.command : [])),
  ];
  return commands.flatMap(([program]) => (program !== undefined && isAbsolute(program) ? [program] : []));
}

function secretsOf({ balancers, sessions, listen }: Config): string[] {
  const keys = balancers.flatMap((one) => (one.kind === 'haproxy' && one.tls !== null ? [one.tls.key] : []));
  const token = listen.hooks?.tokenFile ?? null;
  return [...keys, ...sessions.flatMap(passwordOf), ...(token === null ? [] : [token])];
}

function passwordOf(source: SourceConfig): string[] {
  return source.kind === 'tomcat' ? [source.passwordFile] : [];
}

/** May another user change the file, or put another one in its place? */
async function mayOthersChange(path: string): Promise<boolean> {
  const folder = await modeOf(dirname(path));
  const isReplaceable = (folder & OTHERS_WRITE) !== 0 && (folder & STICKY) === 0;
  return isReplaceable || ((await modeOf(path)) & OTHERS_WRITE) !== 0;
}

/** 0 where it is not seen. */
async function modeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).mode;
  } catch {
    return 0;
  }
}
