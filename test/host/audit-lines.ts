import type { Box } from './box.ts';

/** A line of an audit log. */
export interface AuditLine {
  /** ISO time. */
  readonly time: string;
  readonly event: string;
  readonly id: string;
  readonly operation?: string;
  readonly code?: string;
}

/** The audit log of a node, from its first line to its last. @throws Error where it cannot be read */
export async function auditLines(box: Box, node: string): Promise<readonly AuditLine[]> {
  return (await box.sh(`cat /var/log/lastcall/${node}.log`))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditLine);
}
