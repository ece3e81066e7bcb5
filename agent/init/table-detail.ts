import { dumpOf, type TableConnection } from '../haproxy/replies/table-entries.ts';
import { createTableDump } from '../haproxy/replies/table-dump.ts';
import { unexpected, type ReplyContext } from '../haproxy/reply.ts';
import { isLastcallError } from '../system/error.ts';

/** A stick table that binds users of this node. */
export interface TableDetail {
  readonly name: string;
  /** Whether its entries end: false = it has no `expire`; null = it has no entry now, so that cannot be seen. */
  readonly expires: boolean | null;
}

/**
 * Reads the first entry alone, whatever the size of the table: its time to live is 0 in a table without `expire`
 * (BEHAVIOUR.md#stick-tables).
 */
export async function readTable(connection: TableConnection, name: string): Promise<TableDetail> {
  const command = dumpOf(name);
  const asked: ReplyContext = { command, target: connection.target, elapsedMs: 0 };
  let expires: boolean | null = null;
  const dump = createTableDump(asked, {
    onInfo: () => undefined,
    onHeader: () => undefined,
    onEntry: ({ timeToLiveMs }) => void (expires ??= timeToLiveMs > 0),
    // The line may hold a user's key, so it is not shown.
    notEntry: () => unexpected(asked, 'a line that is no entry'),
  });
  try {
    await connection.streamReply(command, (chunk) => {
      dump.push(chunk);
      return expires !== null;
    });
  } catch (error) {
    // Entries that cannot be read leave it unknown, and the file says so.
    if (!isLastcallError(error)) throw error;
  }
  return { name, expires };
}
