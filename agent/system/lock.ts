import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { LastcallError, errnoOf, messageOf } from './error.ts';

/** The right to be the one sidecar of a node; held until it is released or the process ends, however it ends. */
export interface NodeLock {
  release(): Promise<void>;
}

/**
 * Takes the right to be the one sidecar of a node. The lock is an abstract unix socket named after the state file:
 * the kernel frees it with the process (kill -9 included), it leaves no file behind, and it keeps nobody alive.
 * @param stateFile path of the state file; it need not exist yet
 * @throws LastcallError `busy` when another process of this machine holds it
 */
export async function lockNode(node: string, stateFile: string): Promise<NodeLock> {
  const name = `\0lastcall:${createHash('sha256')
    .update(await resolved(resolve(stateFile)))
    .digest('hex')}`;
  const server = createServer((socket) => socket.destroy());
  try {
    await listen(server, name);
  } catch (error) {
    throw refusal(error, node, stateFile);
  }
  server.unref();
  return {
    release: () =>
      new Promise((done) => {
        server.close(() => done());
      }),
  };
}

function listen(server: Server, name: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(name, () => {
      server.off('error', fail);
      done();
    });
  });
}

function refusal(error: unknown, node: string, stateFile: string): LastcallError {
  if (errnoOf(error) === 'EADDRINUSE') {
    return new LastcallError(
      'busy',
      `another sidecar already runs for node ${node} (state file ${stateFile})`,
      {
        target: node,
        next: 'stop it first, or give this node its own `node` and `state`',
        cause: error,
      },
    );
  }
  return new LastcallError('failed', `cannot take the lock of node ${node}: ${messageOf(error)}`, {
    target: node,
    next: 'look whether this process may open unix sockets',
    cause: error,
  });
}

/** The path without symbolic links, so that two names of one file are one lock; the part that is missing stays. */
async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const parent = dirname(path);
    if (errnoOf(error) !== 'ENOENT' || parent === path) return path;
    return join(await resolved(parent), basename(path));
  }
}
