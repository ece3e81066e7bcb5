import { createAgentCheckServer } from '../../../agent/balancers/agent-check/server.ts';
import { createAgentCheckWriter } from '../../../agent/balancers/agent-check/runtime-writer.ts';
import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import { realClock } from '../../../agent/system/clock.ts';
import { describeBalancer } from '../../contract/balancer.ts';
import { memoryLog } from '../../support/memory-log.ts';
import { freePort } from '../../support/ports.ts';

describeBalancer('agent-check, read by the Runtime API', async () => {
  const port = await freePort();
  const server = createAgentCheckServer(
    { host: '127.0.0.1', port, allow: ['127.0.0.1'] },
    { clock: realClock, healthy: () => true, log: memoryLog() },
  );
  await server.listen();
  return {
    serverWords: `agent-check agent-inter 100ms agent-addr 127.0.0.1 agent-port ${port}`,
    drive(haproxy, servers, clock) {
      // Level admin only for closeSessions, which agent-check has no word for.
      const address = `unix:${haproxy.socket}`;
      const reader = createRuntimeBalancer({ address, servers, timeoutMs: 2_000, readOnly: true }, { clock });
      const config = {
        kind: 'haproxy',
        address,
        writer: 'agent-check',
        master: null,
        tls: null,
        stateFile: null,
        servers,
      } as const;
      return createAgentCheckWriter(config, { reader, server, clock });
    },
    close: () => server.close(),
  };
});
