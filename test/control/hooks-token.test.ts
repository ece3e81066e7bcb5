import { describe, expect, test } from '@jest/globals';
import { chmod, rename, writeFile } from 'node:fs/promises';
import { openHooksServer } from '../../agent/control/hooks-server.ts';
import { realClock } from '../../agent/system/clock.ts';
import { askHttp } from '../support/ask-http.ts';
import { until } from '../support/until.ts';
import {
  TOKEN,
  ask,
  log,
  open,
  path,
  port,
  server,
  service,
  sockets,
  tokenFile,
} from '../support/hooks-port.ts';

describe('The token', () => {
  test.each([
    ['none', undefined],
    ['a wrong one', `Bearer ${TOKEN.replace('0', '1')}`],
    ['a part of it', `Bearer ${TOKEN.slice(1)}`],
    ['an empty one', 'Bearer '],
    ['another scheme', `Basic ${TOKEN}`],
    ['two', `Bearer ${TOKEN} ${TOKEN}`],
  ])('%s is refused', async (_what, authorization) => {
    await open();
    const answer = await askHttp(port, {
      path,
      headers: authorization === undefined ? {} : { authorization },
    });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(answer.body).not.toContain(TOKEN);
    expect(service.requests).toEqual([]);
    expect(log.records).toMatchObject([{ level: 'warn', fields: { address: '127.0.0.1', refused: 1 } }]);
    expect(JSON.stringify(log.records)).not.toContain(TOKEN.slice(2));
  });

  test('is asked for where the configuration names one, whatever the scheme is written like', async () => {
    await open({ token: null });
    const answer = askHttp(port, { path });
    await service.submitted(1);
    service.finish('done');
    expect((await answer).status).toBe(200);
    await server?.close();
    await open();
    const other = askHttp(port, { path, headers: { authorization: `bearer  ${TOKEN}` } });
    await service.submitted(2);
    service.finish('done');
    expect((await other).status).toBe(200);
  });

  test('may be another one from now on; while its file cannot be read, the one of before counts', async () => {
    await open();
    await rename(tokenFile(), `${tokenFile()}.old`);
    const before = await until('the file is missed', async () => {
      const answer = await askHttp(port, { path: '/', headers: { authorization: `Bearer ${TOKEN}` } });
      return log.records.some(({ level }) => level === 'error') ? answer : undefined;
    });
    expect(before.status).toBe(404);
    const next = TOKEN.split('').reverse().join('');
    await writeFile(tokenFile(), next, { mode: 0o600 });
    await until('the new one counts', async () => (await ask({ path: '/', token: next })).status === 404);
    expect((await ask({ path: '/' })).status).toBe(401);
  });

  test.each([
    ['short', 'secret', 0o600, 'fewer than 16 characters'],
    ['of two words', `${TOKEN} ${TOKEN}`, 0o600, 'holds a blank'],
    ['that another user may change', TOKEN, 0o660, 'may change it'],
  ])('is no token: one %s', async (_what, token, mode, why) => {
    await writeFile(tokenFile(), token);
    await chmod(tokenFile(), mode);
    const opening = openHooksServer(
      { host: '127.0.0.1', port, allow: [], tokenFile: tokenFile() },
      { clock: realClock, log, sockets, timeoutMs: () => 1, drain: () => Promise.reject(new Error('none')) },
    );
    await expect(opening).rejects.toMatchObject({ code: 'config', message: expect.stringContaining(why) });
    await expect(opening).rejects.toMatchObject({ message: expect.not.stringContaining(token) });
  });

  test('whose file is missing keeps the sidecar from starting', async () => {
    const config = { host: '127.0.0.1', port, allow: [], tokenFile: tokenFile() };
    const ports = { clock: realClock, log, sockets, timeoutMs: () => 1 };
    await expect(
      openHooksServer(config, { ...ports, drain: () => Promise.reject(new Error('none')) }),
    ).rejects.toMatchObject({
      code: 'config',
      target: tokenFile(),
      message: expect.stringContaining('ENOENT'),
    });
  });
});
