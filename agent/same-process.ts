import { type ServedBy, whoServes } from './app/served-places.ts';
import type { Stopper } from './app/contracts.ts';
import type { Balancer } from './balancers/balancer.ts';
import type { StopConfig } from './config/config.ts';
import type { HostServer, Relative } from './lifecycle/model/survey.ts';
import { withDeadline, type Clock } from './system/clock.ts';
import { LastcallError, messageOf } from './system/error.ts';
import type { Log } from './system/log-port.ts';

/** Composes the balancers' surveys with what shows which other servers the application's own process serves. */

export interface SameProcess {
  /** Names the processes that are the application; null = nothing does, and nothing is looked for. */
  readonly stopper: Stopper | null;
  /** As configured; null for a child of `run --`. */
  readonly stop: StopConfig | null;
  readonly clock: Clock;
  readonly log: Pick<Log, 'debug'>;
}

/** A survey waits for it: some milliseconds, unless the machine is overloaded. */
const LOOK_MS = 5_000;

/**
 * A balancer whose surveys name, as relatives, the servers at other ports of this machine that the application itself is
 * proven to serve. What cannot be proven stays unsaid: a machine may have several applications behind one HAProxy.
 */
export function withServedPorts(balancer: Balancer, ports: SameProcess): Balancer {
  const { stopper } = ports;
  if (stopper === null) return balancer;
  return {
    ...balancer,
    async survey(signal, scope, before) {
      const { onOurHost = [], ...found } = await balancer.survey(signal, scope, before);
      if (found.relatives === null || onOurHost.length === 0) return found;
      const served = await serversOf(onOurHost, { ...ports, stopper }, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        const fields = { balancer: balancer.name, error: messageOf(error) };
        ports.log.debug('which process serves the other ports of this machine was not found out', fields);
        return onOurHost.map((): ServedBy => 'unknown');
      });
      const proven = onOurHost.filter((_one, at) => served[at] === 'application');
      return { ...found, relatives: [...found.relatives, ...proven.map(relativeOf)] };
    },
  };
}

/**
 * Who serves each of these servers.
 * @throws LastcallError `failed` when it takes too long; as `whoServes`
 */
export function serversOf(
  servers: readonly HostServer[],
  {
    stopper,
    stop,
    clock,
  }: Pick<SameProcess, 'stop' | 'clock'> & { readonly stopper: Pick<Stopper, 'check' | 'find'> },
  signal: AbortSignal,
): Promise<readonly ServedBy[]> {
  const application = { stopper, isUnit: stop?.kind === 'systemd' };
  return withDeadline(clock, LOOK_MS, signal, tooSlow, (own) => whoServes(servers, application, own));
}

function relativeOf({ host: _host, port: _port, ...server }: HostServer): Relative {
  return { ...server, by: 'address' };
}

function tooSlow(): LastcallError {
  return new LastcallError(
    'failed',
    'which process serves the other ports of this machine was not found out',
    {
      target: '/proc',
      elapsedMs: LOOK_MS,
      next: 'see whether this machine is overloaded: /proc is read for it',
    },
  );
}
