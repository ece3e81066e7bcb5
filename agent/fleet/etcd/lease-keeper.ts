import type { Clock } from '../../system/clock.ts';
import { messageOf } from '../../system/error.ts';
import type { Log } from '../../system/log-port.ts';
import { LEASE_GONE, lockedBy, type Gateway } from './gateway.ts';
import { int64Of, textOf } from './gateway-json.ts';

/** How soon the keep-alive is repeated when etcd did not answer; a third of the lease's time at most. */
const RETRY_MS = 1_000;

/** A lease of this process, kept alive three times within its time. */
export interface LeaseKeeper {
  /**
   * The lease; a new one, where there is none or it ran out.
   * @throws LastcallError `locked` when etcd does not answer
   */
  ensure(signal: AbortSignal): Promise<string>;
  /** To be called when etcd answers that the lease does not exist any more. */
  forget(): void;
  /** Stops keeping the lease alive: it runs out by itself. */
  stop(): void;
  /**
   * Stops, and ends the lease now, with all keys under it. What was sent before with this lease, and arrives later, does
   * nothing.
   * @throws LastcallError as `ensure`
   */
  revoke(signal: AbortSignal): Promise<void>;
}

/** What a keeper works with. */
export interface LeasePorts {
  readonly clock: Clock;
  readonly log: Log;
  /** Called each time, after the lease was kept alive or found to have run out: puts again what is missing in etcd. */
  readonly onKept: () => Promise<void>;
}

export function createLeaseKeeper(gateway: Gateway, ttlS: number, ports: LeasePorts): LeaseKeeper {
  const { clock, log } = ports;
  const everyMs = (ttlS * 1000) / 3;
  const ending = new AbortController();
  let lease: string | null = null;
  let cancel: (() => void) | null = null;
  let isFailing = false;

  const schedule = (ms: number): void => {
    cancel?.();
    cancel = ending.signal.aborted ? null : clock.after(ms, () => void keep());
  };
  const keep = async (): Promise<void> => {
    const kept = lease;
    try {
      if (kept !== null && !(await keepAlive(gateway, kept, ending.signal)) && lease === kept) {
        lease = null;
        log.warn('the lease at the fleet lock ran out: it is asked for anew', { lock: gateway.name });
      }
      await ports.onKept();
      if (isFailing) log.info('the lease at the fleet lock is kept alive again', { lock: gateway.name });
      isFailing = false;
      schedule(everyMs);
    } catch (error) {
      if (ending.signal.aborted) return;
      const level = isFailing ? 'debug' : 'warn';
      log[level]('the lease at the fleet lock cannot be kept alive', { error: messageOf(error) });
      isFailing = true;
      schedule(Math.min(RETRY_MS, everyMs));
    }
  };
  const stop = (): void => {
    cancel?.();
    cancel = null;
    ending.abort();
  };

  return {
    async ensure(signal) {
      if (lease !== null) return lease;
      lease = await grantLease(gateway, ttlS, signal);
      schedule(everyMs);
      return lease;
    },
    forget() {
      lease = null;
    },
    stop,
    async revoke(signal) {
      stop();
      if (lease === null) return;
      await gateway.call('lease/revoke', { ID: lease }, signal);
      lease = null;
    },
  };
}

/**
 * A new lease.
 * @param ttlS seconds
 * @throws LastcallError `locked` when etcd does not answer, or gives none
 */
export async function grantLease(gateway: Gateway, ttlS: number, signal: AbortSignal): Promise<string> {
  const answer = await gateway.call('lease/grant', { TTL: String(ttlS) }, signal);
  const id = answer === LEASE_GONE ? null : textOf(answer.body['ID']);
  if (id === null) throw lockedBy(gateway.name, 'it gives no lease', 0, 'see the log of etcd');
  return id;
}

/** @returns false: there is no such lease (any more), which etcd says by a time to live of 0 */
async function keepAlive(gateway: Gateway, id: string, signal: AbortSignal): Promise<boolean> {
  const answer = await gateway.call('lease/keepalive', { ID: id }, signal);
  return answer !== LEASE_GONE && (int64Of(answer.body['TTL']) ?? 0n) > 0n;
}
