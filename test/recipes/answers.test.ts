import { afterEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { stringify } from 'yaml';
import { createSources } from '../../agent/sessions/create.ts';
import { realClock } from '../../agent/system/clock.ts';
import { configOf, MINIMAL } from '../config/support.ts';
import { never } from '../support/outcome.ts';
import { recipeConfig, recipeOf } from '../support/recipes.ts';

/** Applications that do not run here: their recipe reads the answer that their documentation shows, given by a server. */

let server: Server | undefined;
afterEach(() => {
  server?.close();
  server?.closeAllConnections();
});

/** A server that gives one answer; resolves with its origin. */
async function serve(body: string): Promise<string> {
  server = createServer((_request, response) => response.end(body));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('The documented answer is read as 3 users:', () => {
  test.each([
    ['Spring Boot', 'text', 'http://127.0.0.1:8080'],
    ['WildFly', 'text', 'http://127.0.0.1:9990'],
    ['Jolokia', 'json', 'http://127.0.0.1:8778'],
    ['ASP.NET', 'text', 'http://10.0.0.21:9182'],
  ])('%s', async (title, language, origin) => {
    const answer = recipeOf(title).block(language) ?? '';
    const text = stringify(recipeConfig(title, { [origin]: await serve(answer) }));
    const { sessions } = await configOf(`${MINIMAL}${text}`);
    const [source] = createSources([...sessions], { clock: realClock, onWarning: () => undefined });
    expect(await source?.count(never)).toBe(3);
  });
});
