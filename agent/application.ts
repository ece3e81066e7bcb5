import { constants } from 'node:os';
import type { World } from './compose.ts';
import { KILL_AFTER_MS, STOP_SIGNAL } from './config/defaults.ts';
import type { Supervise } from './engine/engine.ts';
import { createJournal, type Journal } from './journal/journal.ts';
import type { Result } from './lifecycle/model/api.ts';
import { type Child, type ChildExit, createChild } from './app/child.ts';
import type { LaunchPorts, LaunchRecord, NoteFile } from './app/launch-record.ts';
import { EXIT_CODES } from './system/error.ts';
import { bootId } from './system/process.ts';

/** The application of `run -- COMMAND`, the notes on disk about it, and the exit code that the sidecar takes from it. */

/** The end of the sidecar with its exit code, and how its child has ended. */
export interface Shutdown {
  readonly code: Promise<number>;
  end(code: number): void;
  /** Ends the sidecar with this error: no engine runs for the node any more. */
  readonly fail: (error: unknown) => void;
  lastExit: ChildExit | null;
  onExit: () => void;
}

/** @returns a shutdown that nothing has begun yet */
export function createShutdown(): Shutdown {
  let end = (_code: number): void => undefined;
  let fail = (_error: unknown): void => undefined;
  const code = new Promise<number>((resolve, reject) => {
    end = resolve;
    fail = reject;
  });
  code.catch(() => undefined); // The sidecar awaits `code` later, and handles its failure there.
  return { code, end, fail, lastExit: null, onExit: () => undefined };
}

/** A child that ends without a stop of ours ends the sidecar too: the container's manager decides what comes next. */
export function createSupervisedChild(
  command: readonly string[],
  launchRecord: LaunchRecord,
  { clock, log, searchPath, env }: World,
  shutdown: Shutdown,
): Child {
  return createChild(
    { command, signalName: STOP_SIGNAL, killAfterMs: KILL_AFTER_MS },
    {
      clock,
      searchPath,
      env,
      launchRecord,
      onExit(exit) {
        log.info('the application has ended', { ...exit });
        shutdown.lastExit = exit;
        shutdown.onExit();
        if (!exit.asked) shutdown.end(exitCodeOf(exit));
      },
    },
  );
}

/** A note in a file beside the record: which process the child is, or the stop command, or the pid file's age, or the next runs. */
export function notesAt(
  path: string,
  { node }: { readonly node: string },
  { clock, log }: World,
): [NoteFile, LaunchPorts] {
  const journal: Journal = createJournal(path, { node }, clock);
  const noteFile = {
    async load() {
      const loaded = await journal.load(NEVER);
      if (loaded.kind === 'quarantined') log.warn(`${loaded.reason}; it was moved to ${loaded.movedTo}`);
      return loaded.kind === 'record' ? loaded.record : null;
    },
    save: (note: object) => journal.save(note),
  };
  return [
    noteFile,
    { clock, bootId: bootId(), onWarning: (text: string) => log.warn(text, { node, file: path }) },
  ];
}

/** Its deadline is the journal's own. */
const NEVER = new AbortController().signal;

/** Takes up the child that a killed sidecar has left behind, or starts one. */
export function supervise(child: Child, launchRecord: LaunchRecord): Supervise {
  return async (recorded) => {
    for (const proof of [recorded, await launchRecord.find()])
      if (proof && child.attach(proof)) return { fresh: false, proof };
    await child.starter.start(new AbortController().signal);
    return { fresh: true, proof: child.proof };
  };
}

/** The code of the sidecar that a signal has asked to stop the application. */
export function codeAfter(result: Result, { lastExit }: Shutdown): number {
  if (!result.ok) return EXIT_CODES[result.code];
  return lastExit ? exitCodeOf(lastExit) : 0;
}

/** As a shell returns it: the code, or 128 and the signal; unknown when an earlier sidecar was the parent. */
function exitCodeOf({ code, signal }: ChildExit): number {
  if (code !== null) return code;
  return signal === null ? EXIT_CODES.failed : 128 + constants.signals[signal];
}
