import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { missingForBox } from '../host/needs.ts';
import { installPackage } from '../host/package.ts';
import { openStock, type Stock } from '../host/stock.ts';
import { skipped } from '../support/skip.ts';
import { makeTempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

/** I15 on a stock Debian, with the distribution's own tomcat10.service, which is called started long before it listens. */

const ROUNDS = 20;
const RISE = 2;
const LOGS = '/var/log/tomcat10/localhost_access_log.*.txt';
const missing = missingForBox();
let temp: TempDir;
let stock: Stock | null = null;
beforeAll(async () => {
  if (missing !== null) return;
  temp = await makeTempDir();
  process.env['LASTCALL_PACKAGE'] = installPackage(temp.path);
  stock = await openStock('tomcat10');
  // Each line begins with the milliseconds at which the request came.
  await stock.box.sh(`sed -i 's/pattern="%h /pattern="%{begin:msec}t %h /' /etc/tomcat10/server.xml
    systemctl restart tomcat10`);
  await stock.untilServing();
}, 300_000);
afterAll(async () => {
  await stock?.box.close();
  await temp?.remove();
});

/** When the main process of the unit began, in milliseconds since 1970. */
async function beganAt({ box }: Stock): Promise<number> {
  const told = await box.sh(`systemctl show -p ExecMainStartTimestampMonotonic --value tomcat10
    date +%s%3N
    cut -d ' ' -f 1 /proc/uptime`);
  const [micros = NaN, now = NaN, uptime = NaN] = told.split('\n').map(Number);
  return now - uptime * 1_000 + micros / 1_000;
}

test(`READY is set later than the begin of ${RISE} good probes of the new process, in ${ROUNDS} restarts of tomcat10`, async () => {
  if (stock === null) return skipped(`no Debian system can be booted here: ${missing ?? ''}`);
  const { box } = stock;
  const margins: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const asked = Date.now();
    expect(await box.run(['systemctl', 'restart', 'tomcat10'])).toMatchObject({ code: 0 });
    const began = await beganAt(stock);
    expect(began).toBeGreaterThan(asked);
    // Joins the `ready` of the drop-in: a busy machine takes a minute to start Tomcat.
    expect(await stock.lastcall('ready', '--timeout', '5m')).toMatchObject({ code: 0 });
    await stock.untilServing();
    const ready = (await stock.journal('haproxy')).findLast(({ text }) =>
      text.includes('leaving forced maintenance'),
    );
    const second = await until('Tomcat has written its access log', async () => {
      const log = await box.sh(`cat ${LOGS}`);
      const probes = [...log.matchAll(/^(\d{13}) .* "GET \/health\?by=lastcall .*" 200 /gm)].map(([, at]) =>
        Number(at),
      );
      return probes.filter((at) => at > began)[RISE - 1];
    });
    margins.push((ready?.at ?? 0) - second);
  }
  process.stdout.write(
    `tomcat10: READY after the second probe of the new process, in ms: ${margins.map(Math.round).join(' ')}\n`,
  );
  expect(Math.min(...margins)).toBeGreaterThan(0);
});
