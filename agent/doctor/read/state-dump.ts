import { stat } from 'node:fs/promises';
import type { HaproxyConfig } from '../../config/config.ts';
import { lineageOf } from '../../haproxy/predecessors.ts';
import { errnoOf } from '../../system/error.ts';
import { processTable } from '../../system/process-table.ts';
import type { HaproxyExamined } from '../examination.ts';

/** The kernel's clock of processes and the calendar's differ by less, and so does a dump from the reload after it, in milliseconds. */
const SLACK_MS = 60_000;

/**
 * Did the reload that has made the worker of now write our server-state file? A dump is written right before its reload, and
 * the worker that follows has `-sf` or `-st` on its command line (BEHAVIOUR.md#reload).
 * @param wall the time of the calendar
 * @returns why it did not; null where it did, where no reload is seen, or HAProxy is not on this machine
 */
export async function whyNoDump(
  { stateFile }: HaproxyConfig,
  about: HaproxyExamined['about'],
  wall: Date,
): Promise<string | null> {
  if (stateFile === null || !about.ok) return null;
  const { pid, uptimeSeconds } = about.value.info;
  // Another HAProxy of this machine may have the pid of one that runs elsewhere.
  if (lineageOf(processTable, { pid, uptimeMs: uptimeSeconds * 1_000 }) === null) return null;
  const worker = processTable.at(pid);
  if (typeof worker === 'string') return null;
  if (!worker.command.some((word) => word === '-sf' || word === '-st')) return null;
  const reloaded = new Date(wall.getTime() - processTable.ageMs(worker.startTime));
  const since = `HAProxy was reloaded at ${reloaded.toISOString()}`;
  try {
    const { mtime } = await stat(stateFile);
    if (mtime.getTime() >= reloaded.getTime() - SLACK_MS) return null;
    return `${since}, and ${stateFile} was written at ${mtime.toISOString()}`;
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? `${since}, and there is no ${stateFile}` : null;
  }
}
