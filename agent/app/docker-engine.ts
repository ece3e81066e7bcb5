import type { DockerStopConfig } from '../config/config.ts';
import type { Clock } from '../system/clock.ts';
import { isLastcallError, LastcallError } from '../system/error.ts';
import { httpSend, type HttpAnswer } from '../system/http.ts';

/** A container in the Engine API (GET /containers/{id}/json), with the fields used here. */
export interface Container {
  readonly id: string;
  readonly running: boolean;
  /** Of its first process, on the engine's machine; 0 when it does not run. */
  readonly pid: number;
  /** The engine's own text; it is only ever compared. */
  readonly startedAt: string;
  readonly exitCode: number | null;
}

/** An engine (Docker, or Podman's API that follows it) at its unix socket. */
export interface DockerEngine {
  /** @throws LastcallError `app-stop` when it cannot be asked; the signal's reason */
  inspect(signal: AbortSignal): Promise<Container | 'missing'>;
  /**
   * SIGTERM, the time-out, SIGKILL, all by the engine; answered at the container's end. One that has ended is a success.
   * @throws LastcallError `app-stop` when it is refused; the signal's reason
   */
  stop(id: string, signal: AbortSignal): Promise<void>;
}

/** The deadline of one question. */
const ASK_MS = 5_000;
/** From the end of the engine's time-out to its answer. */
const MARGIN_MS = 10_000;
/** An inspection of a container with many mounts and networks. */
const MAX_BODY_BYTES = 1024 * 1024;

/** @param config which container, and where its engine listens */
export function engineAt({ container, socket, timeoutMs }: DockerStopConfig, clock: Clock): DockerEngine {
  const failure = (what: string, next: string): LastcallError =>
    new LastcallError('app-stop', `${container}: ${what}`, { target: socket, elapsedMs: 0, next });
  const ask = async (
    method: 'GET' | 'POST',
    path: string,
    ms: number,
    signal: AbortSignal,
  ): Promise<HttpAnswer> => {
    const options = { method, socketPath: socket, maxBodyBytes: MAX_BODY_BYTES };
    try {
      return await httpSend(new URL(path, 'http://engine'), ms, { clock, signal }, options);
    } catch (error) {
      if (!isLastcallError(error) || error.code !== 'failed') throw error;
      const next = `see that the engine runs, and that this user may use ${socket}`;
      throw failure(`the engine cannot be asked at ${socket}: ${error.message}`, next);
    }
  };
  return {
    async inspect(signal) {
      const answer = await ask('GET', `/containers/${encodeURIComponent(container)}/json`, ASK_MS, signal);
      if (answer.status === 404) return 'missing';
      const found = answer.status === 200 && !answer.truncated ? readContainer(answer.body) : null;
      if (found === null)
        throw failure(`the engine's answer (${answer.status}) is not understood`, `look at ${socket}`);
      return found;
    },
    async stop(id, signal) {
      const seconds = Math.ceil(timeoutMs / 1000);
      const path = `/containers/${encodeURIComponent(id)}/stop?t=${seconds}`;
      const answer = await ask('POST', path, timeoutMs + MARGIN_MS, signal);
      // 304: it had ended. 404: it had, and was removed with that.
      if ([204, 304, 404].includes(answer.status)) return;
      throw failure(`the engine refuses the stop (${answer.status})`, 'see the log of the engine');
    },
  };
}

/** null where anything that is needed is missing. */
function readContainer(body: string): Container | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return null;
  }
  const { Id: id, State: state } = (parsed ?? {}) as { readonly Id?: unknown; readonly State?: unknown };
  if (typeof id !== 'string' || id === '' || typeof state !== 'object' || state === null) return null;
  const { Running, Pid, StartedAt, ExitCode } = state as Readonly<Record<string, unknown>>;
  if (typeof Running !== 'boolean' || typeof StartedAt !== 'string') return null;
  return {
    id,
    running: Running,
    pid: typeof Pid === 'number' ? Pid : 0,
    startedAt: StartedAt,
    exitCode: typeof ExitCode === 'number' ? ExitCode : null,
  };
}
