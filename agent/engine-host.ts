import { isDeepStrictEqual } from 'node:util';
import { assemble, type Assembly, type AssemblyParts, polledAddresses } from './assembly.ts';
import type { World } from './compose.ts';
import type { Config } from './config/config.ts';
import { createRelay, type Relay } from './engine/relay.ts';
import type { Service } from './engine/service.ts';
import type { Handover } from './journal/handover.ts';
import { PHASES } from './lifecycle/model/phase.ts';
import { LastcallError } from './system/error.ts';

/** Holds the assembly (engine, pollers, schedule) in use; SIGHUP replaces it, while callers keep one service. */
export interface EngineHost {
  readonly relay: Relay;
  readonly now: () => Assembly;
  readonly current: () => Config;
  /** The calendar is kept from now on, with this service: the relay, and who listens to it. */
  begin(service: Service): void;
  /** See `ReloadPorts.prepare`. */
  readonly prepare: (config: Config, signal: AbortSignal) => Promise<() => Promise<void>>;
}

export interface EngineHostParts extends AssemblyParts {
  readonly journal: Handover;
}

export function createEngineHost(first: Assembly, parts: EngineHostParts, world: World): EngineHost {
  const relay = createRelay(first.engine);
  let now = first;
  let current = first.config;
  let asked: Service = relay;

  /** The record goes on in the new engine, and with it whatever is under way. */
  const change = async (config: Config, fresh: Assembly): Promise<void> => {
    const old = now;
    const { health, phase, operation } = old.engine.status();
    relay.detach();
    await old.close();
    await fresh.listen();
    [now, current] = [fresh, config];
    relay.attach(fresh.engine);
    await fresh.engine.start();
    // Nothing has happened to the application: until the new prober has a verdict the old one is the best there is.
    const isSame = isDeepStrictEqual(old.config.app.probe, config.app.probe);
    const isIdle = operation === null && PHASES[phase].place === 'rotation';
    if (isSame && isIdle && health !== 'unknown')
      fresh.engine.probed({ health, signedOut: null, startedAt: -1 });
    fresh.begin(asked);
    await parts.sockets.close('untaken');
  };

  return {
    relay,
    now: () => now,
    current: () => current,
    begin(service) {
      asked = service;
      now.begin(service);
    },
    async prepare(config, signal) {
      if (parts.journal.isBehind) throw behind(config.state);
      await untilAborted(now.engine.commandsEnded(), signal);
      // A server that is found in MAINT now was not found so at the start, so it is not adopted.
      const fresh = assemble({ ...config, adopt: false }, parts, world);
      try {
        await Promise.all(polledAddresses(config).map((place) => parts.sockets.open(place)));
        await untilAborted(now.engine.commandsEnded(), signal);
      } catch (error) {
        await fresh.close();
        await parts.sockets.close('untaken');
        throw error;
      }
      return () => change(config, fresh);
    },
  };
}

function behind(state: string): LastcallError {
  return new LastcallError('state-write', 'the state file could not be written last', {
    target: state,
    next: 'free its disk or mend its permissions, then send SIGHUP once more',
  });
}

function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    work.then(resolve, reject);
  });
}
