import { expect, test } from '@jest/globals';
import type { SourceConfig } from '../../agent/config/source-config.ts';
import { createSources } from '../../agent/sessions/create.ts';
import { realClock } from '../../agent/system/clock.ts';

test('several sources have names of their own, in the order of the configuration', () => {
  const http: SourceConfig = {
    kind: 'http',
    url: 'http://127.0.0.1:1/',
    reading: { kind: 'number' },
    headers: {},
    timeoutMs: 1_000,
  };
  const files: SourceConfig = { kind: 'files', path: '/tmp/s_*', youngerThanMs: 1_000, timeoutMs: 1_000 };
  const command: SourceConfig = { kind: 'command', command: ['true'], timeoutMs: 1_000 };
  const sources = createSources([http, files, http, command, files, http], {
    clock: realClock,
    onWarning: () => undefined,
  });
  expect(sources.map(({ name }) => name)).toEqual([
    'http',
    'files',
    'http 2',
    'command',
    'files 2',
    'http 3',
  ]);
});
