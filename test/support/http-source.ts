import { afterEach } from '@jest/globals';
import type { RequestListener } from 'node:http';
import type { ReadingConfig } from '../../agent/config/source-config.ts';
import { createSources } from '../../agent/sessions/create.ts';
import type { Source } from '../../agent/sessions/source.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import type { LastcallError } from '../../agent/system/error.ts';
import { never, refusalOf } from './outcome.ts';
import { startStub, type StubServer } from './stub-server.ts';

/** Session sources that ask a stub of an application by HTTP. */

export const stubs: StubServer[] = [];

afterEach(async () => {
  for (const stub of stubs.splice(0)) await stub.stop();
});

export const stub = async (answer: RequestListener): Promise<string> => {
  const server = await startStub(answer);
  stubs.push(server);
  return server.url;
};

const onWarning = (text: string): never => {
  throw new Error(`warned: ${text}`);
};

export const sourceBy = (
  url: string,
  reading: ReadingConfig,
  clock: Clock = realClock,
  headers: Readonly<Record<string, string>> = {},
): Source => {
  const [source] = createSources([{ kind: 'http', url, reading, headers, timeoutMs: 20_000 }], {
    clock,
    onWarning,
  });
  if (source === undefined) throw new Error('no source');
  return source;
};

/** By a JSON pointer, or a plain number. */
export const sourceOf = (url: string, json: string | null, clock: Clock = realClock): Source =>
  sourceBy(url, json === null ? { kind: 'number' } : { kind: 'json', pointer: json }, clock);

export const count = async (body: string, json: string | null): Promise<number> =>
  sourceOf(await stub((_request, response) => response.end(body)), json).count(never);

export const refusal = (body: string, json: string | null): Promise<LastcallError> =>
  refusalOf(() => count(body, json));
