import { createRuntimeBalancer } from '../../../agent/balancers/runtime-api/driver.ts';
import { describeBalancer } from '../../contract/balancer.ts';
import { answerLineOn, startFake, type FakeHaproxy } from '../../support/fake-haproxy.ts';
import { ask } from '../../support/haproxy.ts';

describeBalancer('its Runtime API', async () => ({
  drive: (haproxy, servers, clock) =>
    createRuntimeBalancer({ address: `unix:${haproxy.socket}`, servers, timeoutMs: 5_000 }, { clock }),
}));

// Whatever HAProxy is installed, it answers here as 3.2 and later do on a connection with prompts.
describeBalancer('its Runtime API, with one prompt for each line', async () => {
  const fakes: FakeHaproxy[] = [];
  return {
    async drive({ socket: target }, servers, clock) {
      const fake = await startFake((line, socket) => {
        ask(target, line).then(
          (answer) => answerLineOn(socket, answer),
          () => socket.destroy(),
        );
      });
      fakes.push(fake);
      return createRuntimeBalancer({ address: fake.path, servers, timeoutMs: 5_000 }, { clock });
    },
    async close() {
      for (const fake of fakes) await fake.stop();
    },
  };
});
