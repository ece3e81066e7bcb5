import { parseUnlock } from '../control/parse-unlock.ts';
import { EXIT_CODES, isLastcallError, LastcallError } from '../system/error.ts';
import { findSidecar } from './find-sidecar.ts';
import type { Context } from './ports.ts';
import { printableIn } from './view/printable.ts';

/**
 * `lastcall unlock NODE --reason TEXT`: the sidecar here frees the slot of a node that no longer exists.
 * @returns the exit code
 * @throws LastcallError `usage`; `agent-unreachable`; whatever the sidecar could not do
 */
export async function unlock(node: string, reason: string | undefined, context: Context): Promise<number> {
  const { ports, globals } = context;
  const body = { node, by: ports.by(), ...(reason === undefined ? {} : { reason }) };
  const asked = checked(body);
  const client = await findSidecar(context);
  const freed = printableIn(await client.unlock(asked, new AbortController().signal));
  if (globals.json === true) ports.stdout.write(`${JSON.stringify(freed)}\n`);
  if (!freed.ok) ports.stderr.write(`lastcall: ${freed.message}\n`);
  else if (globals.json !== true && globals.quiet !== true) ports.stdout.write(`${freed.message}\n`);
  return EXIT_CODES[freed.code];
}

function checked(body: object): ReturnType<typeof parseUnlock> {
  try {
    return parseUnlock(body);
  } catch (error) {
    if (!isLastcallError(error)) throw error;
    const message = error.message.replaceAll('`reason`', '--reason').replaceAll('`node`', 'NODE');
    throw new LastcallError(error.code, message, { next: 'see `lastcall unlock --help`' });
  }
}
