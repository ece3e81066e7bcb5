import type { PollerConfig } from '../../config/config.ts';
import type { Admin } from '../../lifecycle/view.ts';
import { addressList } from '../../system/ip-allowlist.ts';
import type { Clock } from '../../system/clock.ts';
import type { AgentCheckServer, Channel } from './server.ts';
import type { Balancer } from '../balancer.ts';
import { createPolled } from '../poll-only.ts';
import { createTally, type Tally } from '../poller-acks.ts';

export interface PollerPorts {
  readonly server: AgentCheckServer;
  readonly clock: Clock;
  /** Is our own probe of the application good? The answer is `up` then; more of its state cannot be known. */
  healthy(): boolean;
}

/**
 * A HAProxy that only polls our agent-check: see `createPolled` for what that means.
 * @throws LastcallError `config` for an address in `from` that is none
 */
export function createPollerBalancer(config: PollerConfig, ports: PollerPorts): Balancer {
  const tally = createTally(ports.clock);
  const { balancer, word } = createPolled({
    name: `agent-check/${config.id ?? config.from.join(',')}`,
    asked: 'our agent-check',
    next: 'look whether this HAProxy runs, has `agent-check agent-port PORT` on the server, and reaches that port',
    tally,
    clock: ports.clock,
    healthy: () => ports.healthy(),
  });
  ports.server.add(channelOf(config, tally, word));
  return balancer;
}

function channelOf(config: PollerConfig, tally: Tally, word: () => Admin | null): Channel {
  const from = addressList(config.from);
  return {
    id: config.id,
    covers: ({ address }) => config.from.length === 0 || from(address),
    word: (address) => Promise.resolve(word() === 'ready' && tally.enough(address) ? null : word()),
    answered: (address, said) =>
      tally.answered(address, { told: said !== null && said === word(), mark: null }),
  };
}
