import type { LifeSigns, Proof } from '../../../agent/lifecycle/model/observation.ts';
import type { SimNode, World } from './world.ts';

/**
 * The process that the pid file proves. No step of the calendar matters: the file's age is the one of its first sight, by
 * any sidecar, and the process listens at a port of the application, which overrules an age.
 */
export function provenByPidFile({ app, policy }: SimNode): Proof | null {
  const proof = app.proof();
  if (policy.supervises) return proof;
  return proof && app.pidFile === proof.pid ? proof : null;
}

/** The file names a process that has ended. */
export function goneByPidFile({ app, policy }: SimNode): boolean {
  if (policy.supervises) return false;
  return app.main?.pid !== app.pidFile && app.leaving?.pid !== app.pidFile;
}

/**
 * What answers in the application's name: its port, the sources in it, and after a stop whose end is not proven the
 * process that listened before it.
 */
export function signsOfLife(
  { failing }: World,
  { app, policy }: SimNode,
  sources: readonly string[],
): LifeSigns {
  const asked = app.main === null ? [] : sources.filter((source) => !failing.has(source));
  return {
    counts: Object.fromEntries(asked.map((source) => [source, 1])),
    servers: [],
    open: app.main === null ? [] : ['127.0.0.1:80'],
    processes: app.leaving === null || policy.stopIsIdempotent ? [] : [app.leaving.pid],
  };
}
