import { expect } from '@jest/globals';
import type { Running } from './cli.ts';
import { startStub } from './stub-server.ts';

/** Operations that stay where they are, and Ctrl-C on the command that waits for one. */

/** A source that counts 0, and never answers once this is so; it is closed with the others. */
export async function silentOnce(
  open: { close(): Promise<unknown> }[],
  isSo: () => Promise<boolean>,
): Promise<string> {
  const stub = await startStub((_request, response) => {
    // At the end of a test it may be asked once more, of a sidecar that has ended.
    void isSo().then(
      (silent) => silent || response.end('0'),
      () => response.destroy(),
    );
  });
  open.push({ close: () => stub.stop() });
  return stub.url;
}
/** Ctrl-C once the command has written this: it is answered within two seconds. @returns what it wrote to stderr */
export async function interruptedIn(running: Running, text: string): Promise<string> {
  await running.said(text);
  const began = performance.now();
  running.child.kill('SIGINT');
  await running.said('interrupted by SIGINT');
  expect(performance.now() - began).toBeLessThan(2_000);
  const { code, stderr } = await running.outcome;
  expect(code).toBe(130);
  return stderr;
}
