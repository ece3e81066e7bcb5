import type { Proof } from '../../../agent/lifecycle/view.ts';
import type { SimNode } from './world.ts';

/** The process that the pid file proves, as today's check reads it: a file older than its process proves nothing. */
export function provenByPidFile({ app, policy }: SimNode): Proof | null {
  const proof = app.proof();
  if (policy.supervises) return proof;
  return proof && app.pidFile === proof.pid && !app.clockStepped ? proof : null;
}

/** The file names a process that has ended, or one that is younger than the file: then today's check believes it gone. */
export function goneByPidFile({ app, policy }: SimNode): boolean {
  if (policy.supervises) return false;
  return app.clockStepped || (app.main?.pid !== app.pidFile && app.leaving?.pid !== app.pidFile);
}
