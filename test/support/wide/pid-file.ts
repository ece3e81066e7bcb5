import type { Proof } from '../../../agent/lifecycle/view.ts';
import type { SimNode } from './world.ts';

/** The process that the pid file proves: one that was first seen after the clock was set seems older than its process. */
export function provenByPidFile({ app, policy }: SimNode): Proof | null {
  const proof = app.proof();
  if (policy.supervises) return proof;
  return proof && app.pidFile === proof.pid && !app.clockStepped ? proof : null;
}

/** The file names a process that has ended. */
export function goneByPidFile({ app, policy }: SimNode): boolean {
  if (policy.supervises) return false;
  return app.main?.pid !== app.pidFile && app.leaving?.pid !== app.pidFile;
}
