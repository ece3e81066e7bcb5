import { expect, test } from '@jest/globals';
import { scrub } from '../../agent/system/environment.ts';

test('commands get what they need to run and what was written for them, and nothing else', () => {
  const kept = {
    PATH: '/bin',
    HOME: '/root',
    USER: 'root',
    LANG: 'C',
    LC_ALL: 'C.UTF-8',
    TZ: 'Europe/Zurich',
    SSL_CERT_FILE: '/etc/ca.pem',
    LASTCALL_TOKEN: 'x',
  };
  const env = { ...kept, APP_PASSWORD: 'secret', MY_PATH: 'x', PATHS: 'x', LASTCALL: 'x', NODE_OPTIONS: 'x' };
  scrub(env);
  expect(env).toEqual(kept);
});
