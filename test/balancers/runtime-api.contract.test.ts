import { createRuntimeBalancer } from '../../agent/balancers/runtime-api.ts';
import { describeBalancer } from '../contract/balancer.ts';

describeBalancer('its Runtime API', async () => ({
  drive: (haproxy, servers, clock) =>
    createRuntimeBalancer({ address: `unix:${haproxy.socket}`, servers, timeoutMs: 5_000 }, { clock }),
}));
