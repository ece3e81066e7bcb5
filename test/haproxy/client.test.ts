import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { showAllRows, showInfo, showServersState } from '../../agent/haproxy/command.ts';
import { answersOf } from '../../agent/haproxy/reply.ts';
import { startFake } from '../support/fake-haproxy.ts';
import { startHaproxy, type Haproxy } from '../support/haproxy.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { never, refusalOf } from '../support/outcome.ts';
import { freePort } from '../support/ports.ts';
import { patience } from '../support/rig.ts';
import { DEFAULTS } from './transcripts.ts';
import { clientOf, overtime } from '../support/haproxy-client.ts';

describe('an exchange with a real HAProxy', () => {
  let haproxy: Haproxy;
  let port: number;
  const held: Socket[] = [];
  beforeAll(async () => {
    port = await freePort();
    haproxy = await startHaproxy(`global\n  stats socket ipv4@127.0.0.1:${port} level admin\n${DEFAULTS}`);
  });
  afterEach(() => {
    for (const socket of held.splice(0)) socket.destroy();
  });
  afterAll(() => haproxy.stop());

  test('reads the whole answer over a unix socket and over TCP', async () => {
    for (const address of [`unix:${haproxy.socket}`, haproxy.socket, `tcp://127.0.0.1:${port}`]) {
      const reply = await clientOf(address).exchange(showInfo(), 5_000, never);
      expect(answersOf(reply)[0]).toContain(`\nPid: ${haproxy.pid}\n`);
      expect(reply.target).toBe(address);
    }
  });

  test('ends at its deadline when HAProxy is frozen, and says what to look for', async () => {
    await haproxy.kill('SIGSTOP');
    try {
      const refusal = await overtime(haproxy.socket);
      expect(refusal).toMatchObject({
        code: 'balancer-unreachable',
        target: haproxy.socket,
        elapsedMs: 2_000,
      });
      expect(refusal.message).toContain('no answer within 2000 ms');
      expect(refusal.next).toContain('stats maxconn');
    } finally {
      await haproxy.kill('SIGCONT');
    }
  });

  test('ends at its deadline while others hold all ten connections, and works once one is let go', async () => {
    for (let count = 0; count < 10; count += 1) {
      const socket = connect({ path: haproxy.socket });
      held.push(socket);
      socket.write('prompt\n');
      await once(socket, 'data');
    }
    expect((await overtime(haproxy.socket)).next).toContain('stats maxconn');
    const waiting = clientOf(haproxy.socket).exchange(showInfo(), 30_000, never);
    held.pop()?.destroy();
    expect(answersOf(await waiting)[0]).toContain('Name: HAProxy');
  });

  test('waits where the queue of a unix socket is full, and is answered once there is room', async () => {
    await haproxy.kill('SIGSTOP');
    const asked: Promise<unknown>[] = [];
    try {
      // More than a queue of ten holds.
      for (let one = 0; one < 40; one++)
        asked.push(clientOf(haproxy.socket).exchange(showInfo(), 30_000, patience()));
      const late = await refusalOf(() => clientOf(haproxy.socket).exchange(showInfo(), 1_500, never));
      expect(late).toMatchObject({
        code: 'balancer-unreachable',
        next: expect.stringContaining('stats maxconn'),
      });
      expect(late.message).toContain('it takes no more connections');
    } finally {
      await haproxy.kill('SIGCONT');
    }
    expect(await Promise.all(asked)).toHaveLength(40);
  });

  test('is answered by TCP where many ask at one moment', async () => {
    await haproxy.kill('SIGSTOP');
    const asked: Promise<unknown>[] = [];
    try {
      const address = `tcp://127.0.0.1:${port}`;
      for (let one = 0; one < 40; one++)
        asked.push(clientOf(address).exchange(showInfo(), 30_000, patience()));
      const late = await refusalOf(() => clientOf(address).exchange(showInfo(), 1_500, never));
      expect(late).toMatchObject({
        code: 'balancer-unreachable',
        next: expect.stringContaining('stats maxconn'),
      });
    } finally {
      await haproxy.kill('SIGCONT');
    }
    expect(await Promise.all(asked)).toHaveLength(40);
  });

  test('ends with the reason as soon as it is aborted', async () => {
    await haproxy.kill('SIGSTOP');
    try {
      const clock = new ManualClock();
      const controller = new AbortController();
      const outcome = expect(
        clientOf(haproxy.socket, clock).exchange(showInfo(), 2_000, controller.signal),
      ).rejects.toThrow('enough');
      await clock.armed();
      controller.abort(new Error('enough'));
      await outcome;
      expect(clock.pending).toBe(0);
    } finally {
      await haproxy.kill('SIGCONT');
    }
  });

  test('does not even begin when it was aborted before, or when no time is left', async () => {
    const gone = AbortSignal.abort(new Error('before'));
    await expect(clientOf('/nowhere').exchange(showInfo(), 2_000, gone)).rejects.toThrow('before');
    const late = await refusalOf(() => clientOf('/nowhere').exchange(showInfo(), 0, never));
    expect(late.message).toContain('/nowhere: no time was left to ask it');
  });

  test('leaves no timer behind', async () => {
    const clock = new ManualClock();
    await clientOf(haproxy.socket, clock).exchange(showInfo(), 2_000, never);
    expect(clock.pending).toBe(0);
  });
});

describe('a HAProxy with many servers', () => {
  test('outlives a client that gives up in the middle of `show servers state`', async () => {
    const servers = Array.from({ length: 1_000 }, (_none, index) => `  server app${index} 127.0.0.1:1\n`);
    const haproxy = await startHaproxy(`${DEFAULTS}backend many\n${servers.join('')}`);
    try {
      const client = clientOf(haproxy.socket);
      const giveUp = async (): Promise<void> => {
        for (let time = 0; time < 20; time++) {
          const stop = new AbortController();
          const onLine = (): void => stop.abort(new Error('enough'));
          await expect(client.stream(showServersState('many'), onLine, 10_000, stop.signal)).rejects.toThrow(
            'enough',
          );
          await client.stream(showAllRows(), () => undefined, 10_000, never);
        }
      };
      await Promise.all(Array.from({ length: 4 }, giveUp));
      expect(await haproxy.workerPid()).toBe(haproxy.pid);
    } finally {
      await haproxy.stop();
    }
  });
});

describe('an exchange that cannot be', () => {
  test('says that the socket does not exist', async () => {
    const refusal = await refusalOf(() => clientOf('/nowhere/admin.sock').exchange(showInfo(), 2_000, never));
    expect(refusal).toMatchObject({ code: 'balancer-unreachable', target: '/nowhere/admin.sock' });
    expect(refusal.message).toContain('does not exist');
    expect(refusal.next).toContain('stats socket');
    expect(refusal.elapsedMs).toBeGreaterThanOrEqual(0);
  });

  test('says that nothing listens, on a socket file left behind as on a port', async () => {
    const haproxy = await startHaproxy(DEFAULTS);
    await haproxy.kill('SIGKILL');
    const addresses = [`tcp://127.0.0.1:${await freePort()}`, `unix:${haproxy.socket}`];
    try {
      for (const address of addresses) {
        const refusal = await refusalOf(async () => {
          // The kernel closes the dead process's socket a moment after the signal.
          for (;;) await clientOf(address).exchange(showInfo(), 2_000, never);
        });
        expect(refusal.code).toBe('balancer-unreachable');
        expect(refusal.message).toMatch(/no process listens there|ECONNRESET|EPIPE/);
      }
    } finally {
      await haproxy.stop();
    }
  });

  test('says that this user may not use the socket', async () => {
    const fake = await startFake((_line, socket) => socket.end('\n'));
    const root = process.geteuid?.() === 0;
    await chmod(fake.path, 0o000);
    // Root may use any socket: become the user `nobody` for as long as it takes.
    if (root) process.seteuid?.(65_534);
    try {
      const refusal = await refusalOf(() => clientOf(fake.path).exchange(showInfo(), 2_000, never));
      expect(refusal).toMatchObject({ code: 'not-permitted', target: fake.path });
      expect(refusal.next).toContain('group');
    } finally {
      if (root) process.seteuid?.(0);
      await fake.stop();
    }
  });

  test('says that a host has no address', async () => {
    const refusal = await refusalOf(() =>
      clientOf('tcp://nobody.invalid:9').exchange(showInfo(), 30_000, never),
    );
    expect(refusal).toMatchObject({
      code: 'balancer-unreachable',
      message: expect.stringMatching(/ENOTFOUND|EAI_AGAIN|no more/),
    });
  });
});
