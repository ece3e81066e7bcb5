import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  createAgentCheckServer,
  type AgentCheckServer,
  type Subscription,
} from '../../../agent/balancers/agent-check/server.ts';
import type { Admin } from '../../../agent/lifecycle/model/observation.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryLog } from '../../support/memory-log.ts';
import { poll } from '../../support/poll.ts';

const clock = new ManualClock();
const servers: AgentCheckServer[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

interface Given {
  readonly allow?: readonly string[];
  readonly host?: string;
  readonly healthy?: boolean;
  readonly subscriptions?: readonly Subscription[];
}

async function listening({
  allow = [],
  host = '127.0.0.1',
  healthy = true,
  subscriptions = [],
}: Given = {}): Promise<number> {
  const server = createAgentCheckServer(
    { host, port: 0, allow },
    { clock, healthy: () => healthy, log: memoryLog() },
  );
  servers.push(server);
  for (const subscription of subscriptions) server.add(subscription);
  return server.listen();
}

interface Told {
  readonly address: string;
  readonly said: Admin | null;
}

function subscription(
  word: Admin | null,
  id: string | null = null,
): Subscription & { readonly told: Told[] } {
  const told: Told[] = [];
  return {
    id,
    told,
    covers: () => true,
    state: () => Promise.resolve(word),
    answered: (address, said) => void told.push({ address, said }),
  };
}

/** A caller that sends this and waits. */
async function caller(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

describe('The agent-check responder', () => {
  test('answers one line at once, without waiting for anything from the caller', async () => {
    expect(await poll(await listening())).toBe('up\n');
    expect(await poll(await listening({ healthy: false }))).toBe('\n');
  });

  test('gives no admin state to a caller of no subscription, and ignores what that caller sends', async () => {
    const port = await listening({ subscriptions: [{ ...subscription('drain'), covers: () => false }] });
    expect(await poll(port, 'GET / HTTP/1.0\r\n\r\n')).toBe('up\n');
  });

  test('answers with the text of the subscription, and reports each poller that it answered', async () => {
    const drain = subscription('drain');
    expect(await poll(await listening({ subscriptions: [drain] }), 'app/app1\n')).toBe('up drain\n');
    expect(drain.told).toEqual([{ address: '127.0.0.1', said: 'drain' }]);
  });

  test('tells callers of one address apart by their agent-send, however it is cut or ended', async () => {
    const subscriptions = [subscription('drain', 'lb4'), subscription('maint', 'lb5')];
    const port = await listening({ subscriptions });
    expect(await poll(port, 'lb4\n')).toBe('up drain\n');
    expect(await poll(port, 'lb5\r\n')).toBe('up maint\n');
    expect(await poll(port, 'lb6\n')).toBe('up\n');
    expect(await poll(port, `${'x'.repeat(300)}lb4\n`).catch(() => 'reset')).not.toContain('drain');

    const split = await caller(port);
    split.write('lb');
    split.setNoDelay(true).write('4\n');
    expect(String((await once(split, 'data'))[0])).toBe('up drain\n');
    const unended = await caller(port);
    unended.end('lb5');
    expect(String((await once(unended, 'data'))[0])).toBe('up maint\n');
  });

  test('waits only briefly for an agent-send that does not come, and then gives no admin state', async () => {
    const port = await listening({ subscriptions: [subscription('drain', 'lb4')] });
    const silent = await caller(port);
    const answer = once(silent, 'data');
    await clock.armed(2);
    clock.advance(100);
    expect(String((await answer)[0])).toBe('up\n');
  });

  test('prefers the subscription with the caller\u2019s id to the one that knows its address only', async () => {
    const port = await listening({ subscriptions: [subscription('drain'), subscription('maint', 'lb4')] });
    expect(await poll(port, 'lb4\n')).toBe('up maint\n');
    expect(await poll(port, 'lb9\n')).toBe('up drain\n');
  });

  test('gives no admin state where two subscriptions claim the same caller and differ', async () => {
    const [one, two] = [subscription('drain'), subscription(null)];
    expect(await poll(await listening({ subscriptions: [one, two] }))).toBe('up\n');
    expect(one.told).toEqual([{ address: '127.0.0.1', said: null }]);
    expect(await poll(await listening({ subscriptions: [one, subscription('drain')] }))).toBe('up drain\n');
  });

  test('reports the percent that it has sent, and none where two claim the caller and differ', async () => {
    const told: unknown[] = [];
    const weighing = (percent: number | null): Subscription => ({
      ...subscription(null),
      weight: () => Promise.resolve(percent),
      answered: (_address, _said, sent) => void told.push(sent),
    });
    expect(await poll(await listening({ subscriptions: [weighing(30)] }))).toBe('up 30%\n');
    expect(await poll(await listening({ subscriptions: [weighing(30), weighing(null)] }))).toBe('up\n');
    expect(told).toEqual([30, null, null]);
  });

  test('answers the addresses of its list and hangs up on the others', async () => {
    expect(await poll(await listening({ allow: ['10.0.0.0/8', '127.0.0.0/8'] }))).toBe('up\n');
    expect(await poll(await listening({ allow: ['10.0.0.0/8'] })).catch(() => '')).toBe('');
    expect(await poll(await listening({ allow: ['127.0.0.1'], host: '::' }))).toBe('up\n');
  });

  test('ends a connection after two seconds, whatever the caller does', async () => {
    const port = await listening({
      subscriptions: [{ ...subscription('drain'), state: () => new Promise(() => undefined) }],
    });
    const slow = await caller(port);
    const closed = once(slow, 'close');
    await clock.armed(1);
    clock.advance(2_000);
    await closed;
    expect(clock.pending).toBe(0);
  });

  test('drops the oldest of more than 256 connections and answers the newest', async () => {
    const held: { readonly release: () => void }[] = [];
    const waiting: Subscription = {
      ...subscription(null),
      state: () => new Promise((resolve) => held.push({ release: () => resolve(null) })),
    };
    const port = await listening({ subscriptions: [waiting] });
    const oldest = await caller(port);
    const closed = once(oldest, 'close');
    for (let n = 0; n < 255; n++) await caller(port);
    const newest = connect({ port, host: '127.0.0.1' });
    sockets.push(newest);
    const answer = once(newest, 'data');
    await closed;
    for (const { release } of held) release();
    expect(String((await answer)[0])).toBe('up\n');
  });

  test('lives through callers that reset, flood or vanish', async () => {
    const port = await listening({ subscriptions: [subscription('drain', 'lb4')] });
    for (let n = 0; n < 20; n++) {
      const rude = await caller(port);
      rude.write('x'.repeat(n * 50_000));
      rude.resetAndDestroy();
    }
    const flood = await caller(port);
    const closed = once(flood.resume(), 'close');
    flood.write(Buffer.alloc(1_000_000, 'y'));
    await closed;
    expect(await poll(port, 'lb4\n')).toBe('up drain\n');
  });

  test('goes on after a subscription that breaks its promise never to reject', async () => {
    const port = await listening({
      subscriptions: [{ ...subscription('drain'), state: () => Promise.reject(new Error('bug')) }],
    });
    expect(await poll(port).catch(() => '')).toBe('');
    expect(await poll(port).catch(() => '')).toBe('');
  });

  test('names itself and what to do when its port is taken', async () => {
    const port = await listening();
    const own = new ManualClock();
    const second = createAgentCheckServer(
      { host: '127.0.0.1', port, allow: [] },
      { clock: own, healthy: () => true, log: memoryLog() },
    );
    const refused = second.listen();
    await own.armed();
    own.advance(1_500);
    await expect(refused).rejects.toMatchObject({
      code: 'busy',
      target: `127.0.0.1:${port}`,
      next: expect.stringContaining('listen.agentCheck'),
    });
  });
});
