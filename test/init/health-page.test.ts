import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { findHealthPage } from '../../agent/init/health-page.ts';
import { ManualClock } from '../support/manual-clock.ts';

const never = new AbortController().signal;
const servers: { close(): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** An application with these pages, and 404 for each other one. */
async function application(
  pages: Readonly<Record<string, { readonly status: number; readonly cookie?: string }>>,
): Promise<{ readonly endpoint: { host: string; port: number }; readonly asked: string[] }> {
  const asked: string[] = [];
  const server: Server = createServer(({ url = '' }, answer) => {
    asked.push(url);
    const { status, cookie } = pages[url] ?? { status: 404 };
    answer.writeHead(status, cookie === undefined ? {} : { 'set-cookie': cookie }).end('page');
  });
  return { endpoint: await listening(server), asked };
}

async function listening(
  server: Server | ReturnType<typeof createTcpServer>,
): Promise<{ host: string; port: number }> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

describe('The page that init proposes for the probe', () => {
  test('is the first usual one that answers 200', async () => {
    const { endpoint, asked } = await application({ '/healthz': { status: 200 }, '/': { status: 200 } });
    const found = await findHealthPage(endpoint, { clock: new ManualClock(), signal: never });
    expect(found).toBe(`http://127.0.0.1:${endpoint.port}/healthz`);
    expect(asked).toEqual(['/health', '/healthz']);
  });

  test('is none that makes a session or redirects', async () => {
    const { endpoint, asked } = await application({
      '/health': { status: 302 },
      '/': { status: 200, cookie: 'JSESSIONID=1' },
    });
    expect(await findHealthPage(endpoint, { clock: new ManualClock(), signal: never })).toBeNull();
    expect(asked).toEqual(['/health', '/healthz', '/actuator/health', '/']);
  });

  test('is not looked for any further where the first one is not answered within a second', async () => {
    let connections = 0;
    const endpoint = await listening(
      createTcpServer(() => {
        connections += 1;
      }),
    );
    const clock = new ManualClock();
    const finding = findHealthPage(endpoint, { clock, signal: never });
    await clock.armed();
    clock.advance(1_000);
    expect(await finding).toBeNull();
    expect(connections).toBeLessThanOrEqual(1);
  });

  test('is not looked for on another machine', async () => {
    expect(await findHealthPage(undefined, { clock: new ManualClock(), signal: never })).toBeNull();
  });
});
