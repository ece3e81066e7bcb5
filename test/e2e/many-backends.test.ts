import { afterEach, expect, test } from '@jest/globals';
import { lastcall } from '../support/cli.ts';
import { type Haproxy, startHaproxy } from '../support/haproxy.ts';
import { told } from '../support/rig.ts';

/** One node in very many backends: a customer, a path or a port each. */

const BACKENDS = 300;
const names = Array.from({ length: BACKENDS }, (_none, at) => `customer-${at}`);

let haproxy: Haproxy | undefined;
afterEach(() => haproxy?.stop());

test('One node in 300 backends: a drain is planned, its state is shown, and init writes all of them', async () => {
  const backends = names.map(
    (name) => `backend ${name}\n  server app1 127.0.0.1:2\n  server app2 127.0.0.1:3\n`,
  );
  haproxy = await startHaproxy(
    `defaults\n  mode http\n  timeout connect 1s\n  timeout client 9s\n  timeout server 9s\n${backends.join('')}`,
  );
  const at = ['--haproxy', haproxy.socket, ...names.flatMap((name) => ['--server', `${name}/app1`])];
  const { code, json } = await told(lastcall(['drain', '--dry-run', '--json', ...at]));
  expect({ code, planned: json.plan?.filter((line) => line.includes('DRAIN')).length }).toMatchObject({
    code: 0,
  });
  const shown = await lastcall(['status', '--json', ...at]).outcome;
  expect(shown.code).toBe(0);
  expect(shown.stdout.match(/"customer-\d+\/app1"/g)).toHaveLength(BACKENDS);
  const written = await lastcall(['init', '--print', ...at]).outcome;
  expect(written).toMatchObject({ code: 0 });
  expect(new Set(written.stdout.match(/customer-\d+\/app1/g)).size).toBe(BACKENDS);
});
