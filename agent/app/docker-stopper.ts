import type { DockerStopConfig } from '../config/config.ts';
import type { Proof } from '../lifecycle/model/observation.ts';
import { sleep, type Clock } from '../system/clock.ts';
import { LastcallError } from '../system/error.ts';
import { engineAt, type Container, type DockerEngine } from './docker-engine.ts';
import type { Stopper } from './contracts.ts';

/** How long after its own time-out, at which it kills, the engine may take to answer. */
const MARGIN_MS = 10_000;
const POLL_MS = 200;
/** The maximal age of an answer that reports an end. */
const FRESH_MS = 2_000;
/** 128 + SIGKILL */
const KILLED = 137;
const NEVER = new AbortController().signal;

/**
 * Stops the application's container by the Engine API. One life of a container is its id and the time of its start: one
 * that was started again is another, and is not stopped in its place.
 */
export function createDockerStopper(config: DockerStopConfig, { clock }: { readonly clock: Clock }): Stopper {
  const engine = engineAt(config, clock);
  const { container, timeoutMs } = config;
  const view = watchContainer(engine, clock);
  /** @returns the container as it was left; null where it went with its end, as one made with `--rm` does */
  const untilEnded = async (life: string, until: number, signal: AbortSignal): Promise<Container | null> => {
    for (;;) {
      const seen = await view.look(signal);
      if (seen === 'missing') return null;
      if (!isLife(seen, life)) return seen;
      if (clock.now() >= until) throw outlasted(config);
      await sleep(clock, POLL_MS, signal);
    }
  };
  return {
    isIdempotent: true,
    proves: true,
    gone(proof) {
      const last = view.last();
      if (last === null || (last === 'missing' && proof === null)) return 'unknown';
      if (last === 'missing') return 'gone';
      if (proof === null) return last.running ? 'unknown' : 'gone';
      return isLife(last, proof.startTime) ? 'alive' : 'gone';
    },
    /** Asks again in the background; an engine that does not answer reports no end. */
    sight() {
      if (!view.isFresh()) void view.look(NEVER).catch(() => undefined);
    },
    async check(signal) {
      signal.throwIfAborted();
      const seen = await view.look(signal);
      if (seen === 'missing') throw refusal(container, 'the engine has no such container', NAME_IT);
      if (!seen.running) throw refusal(container, 'the container is not running', NAME_IT);
      return proofOf(seen);
    },
    async stop(proof, signal) {
      signal.throwIfAborted();
      if (proof === null) throw refusal(container, 'no container was proven to be the application', NAME_IT);
      const until = clock.now() + timeoutMs + MARGIN_MS;
      const before = await view.look(signal);
      if (before === 'missing') return { how: 'gone', warnings: [] };
      if (!isLife(before, proof.startTime)) {
        if (before.running) throw restarted(container);
        return { how: 'gone', warnings: [] };
      }
      await engine.stop(before.id, signal);
      const after = await untilEnded(proof.startTime, until, signal);
      if (after?.running === true) throw restarted(container);
      return { how: 'docker', warnings: after?.exitCode === KILLED ? [killedWarning(config)] : [] };
    },
    /** The engine goes on with a stop when lastcall ends: its outcome is asked anew. */
    async rejoin(signal) {
      await view.look(signal);
    },
  };
}

/** A container as the engine shows it. */
interface ContainerWatch {
  /** Asks the engine. */
  look(signal: AbortSignal): Promise<Container | 'missing'>;
  /** The last answer, for questions that cannot wait for the engine; null = unknown now. */
  last(): Container | 'missing' | null;
  /** Was the engine asked so lately that it need not be asked again? */
  isFresh(): boolean;
}

function watchContainer(engine: DockerEngine, clock: Clock): ContainerWatch {
  let last: Container | 'missing' | null = null;
  let askedAt = Number.NEGATIVE_INFINITY;
  return {
    async look(signal) {
      askedAt = clock.now();
      try {
        last = await engine.inspect(signal);
        return last;
      } catch (error) {
        last = null;
        throw error;
      }
    },
    last: () => last,
    isFresh: () => clock.now() - askedAt < FRESH_MS,
  };
}

function lifeOf({ id, startedAt }: Container): string {
  return `${id} ${startedAt}`;
}

function isLife(seen: Container, life: string): boolean {
  return seen.running && lifeOf(seen) === life;
}

/** The pid comes from the engine, and is one of its machine. */
function proofOf(seen: Container): Proof {
  return { pid: seen.pid, startTime: lifeOf(seen) };
}

const NAME_IT = 'write the name of the running container to app.stop.docker.container';

function refusal(container: string, what: string, next: string): LastcallError {
  return new LastcallError('app-stop', `${container}: ${what}`, { target: container, elapsedMs: 0, next });
}

function restarted(container: string): LastcallError {
  return refusal(
    container,
    'the container was started again meanwhile, and is not the one that was to be stopped',
    'see what starts it (its restart policy), then `lastcall stop`',
  );
}

function outlasted({ container, timeoutMs }: DockerStopConfig): LastcallError {
  return new LastcallError('app-stop', `${container}: the container still runs after its stop`, {
    target: container,
    elapsedMs: timeoutMs + MARGIN_MS,
    next: `see \`docker inspect ${container}\` and the log of the engine`,
  });
}

function killedWarning({ timeoutMs }: DockerStopConfig): string {
  return `the container did not end within ${timeoutMs / 1000} s, and the engine killed it`;
}
