import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Result } from '../../agent/lifecycle/model/api.ts';
import type { Box } from './box.ts';
import { NPM, openStock, type Stock } from './stock.ts';

/** The application as a unit of a user of its own, and the sidecar, whose user may not see its sockets. */

const SECOND = 8082;

/** The application's own user and second port come before its first start. */
async function install(box: Box): Promise<void> {
  await NPM.install(box);
  await box.sh(`useradd --system --home-dir /nonexistent app1
    mkdir -p /etc/systemd/system/app1.service.d
    printf 'backend sockets\\n\\tserver ws1 127.0.0.1:${SECOND}\\n' >>/etc/haproxy/haproxy.cfg`);
  const start = '/usr/bin/node /run/in/checkout/dist/test/fixtures/legacy-app.js --node app1 --port 8080';
  await box.write(
    '/etc/systemd/system/app1.service.d/second.conf',
    `[Service]\nUser=app1\nExecStart=\nExecStart=${start} --also-port ${SECOND}\n`,
  );
}

let stock: Stock;
beforeAll(async () => {
  stock = await openStock('app1', '', [], { ...NPM, install });
  await stock.untilServing();
}, 120_000);
afterAll(() => stock?.box.close());

const said = async (verb: string): Promise<Result> =>
  JSON.parse((await stock.lastcall(verb, '--json')).stdout) as Result;

test('A second port of the unit is proven by the user of its socket, and stands against a stop', async () => {
  const refusal = await said('stop');
  expect(refusal).toMatchObject({ code: 'unlisted', phase: 'serving' });
  expect(refusal.message).toContain(`sockets/ws1 is served by the process of app/app1, at port ${SECOND}`);
  const doctor = await stock.box.sh('runuser -u lastcall -- lastcall doctor --json || true');
  expect(doctor).toContain('"unlisted"');
  expect(doctor).not.toContain('"unlisted-port"');
});

test('It is an open question for doctor while another process of that user runs, and stands against no stop', async () => {
  await stock.box.sh('systemd-run --quiet --unit login --uid app1 sleep 600');
  const doctor = await stock.box.sh('runuser -u lastcall -- lastcall doctor --json || true');
  expect(doctor).toContain('"unlisted-port"');
  expect(doctor).toContain('is not shown to lastcall');
  expect(await said('stop')).toMatchObject({ code: 'done', phase: 'stopped' });
});
