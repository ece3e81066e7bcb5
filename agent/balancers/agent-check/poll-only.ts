import type { PollerConfig } from '../../config/config.ts';
import type { Admin } from '../../lifecycle/model/observation.ts';
import { ipAllowlist } from '../../system/ip-allowlist.ts';
import type { Clock } from '../../system/clock.ts';
import type { AgentCheckServer, Subscription } from './server.ts';
import type { Balancer } from '../balancer.ts';
import { createPollOnly } from '../poll-only.ts';
import { createPollerAcks, type PollerAcks } from '../poller-acks.ts';

export interface PollerPorts {
  readonly server: AgentCheckServer;
  readonly clock: Clock;
  /** Is our own probe of the application good? The answer is `up` then; more of its state cannot be known. */
  healthy(): boolean;
}

/**
 * A HAProxy that only polls our agent-check: see `createPollOnly` for what that means.
 * @throws LastcallError `config` for an address in `from` that is none
 */
export function createPollerBalancer(config: PollerConfig, ports: PollerPorts): Balancer {
  const acks = createPollerAcks(ports.clock);
  const { balancer, announced } = createPollOnly({
    name: `agent-check/${config.id ?? config.from.join(',')}`,
    asked: 'our agent-check',
    next: 'look whether this HAProxy runs, has `agent-check agent-port PORT` on the server, and reaches that port',
    acks,
    clock: ports.clock,
    healthy: () => ports.healthy(),
  });
  ports.server.add(subscriptionOf(config, acks, announced));
  return balancer;
}

function subscriptionOf(config: PollerConfig, acks: PollerAcks, announced: () => Admin | null): Subscription {
  const from = ipAllowlist(config.from);
  return {
    id: config.id,
    covers: ({ address }) => config.from.length === 0 || from(address),
    state: (address) =>
      Promise.resolve(announced() === 'ready' && acks.isAcked(address) ? null : announced()),
    answered: (address, admin) =>
      acks.record(address, { carriesState: admin !== null && admin === announced(), mark: null }),
  };
}
