import { afterAll, afterEach, beforeAll } from '@jest/globals';
import type { Balancer } from '../../agent/balancers/balancer.ts';
import { createRuntimeBalancer } from '../../agent/balancers/runtime-api/driver.ts';
import { realClock, type Clock } from '../../agent/system/clock.ts';
import { answerOn, startFake, type FakeHaproxy } from './fake-haproxy.ts';
import { ask, startHaproxy, type Haproxy } from './haproxy.ts';

/** Drivers over a HAProxy whose answers were recorded and are given back changed. */

const CONFIG = `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
backend users
  stick-table type ip size 1k store http_req_cnt
backend shop
  stick-table type ip size 1k expire 1m
  stick on src
  server shop1 127.0.0.1:1
backend app
  server app1 127.0.0.1:1
  server app2 127.0.0.1:1
`;

export const APP1 = 'app/app1';

export const driver = (
  address: string,
  timeoutMs = 5_000,
  clock: Clock = realClock,
  servers: readonly string[] = [APP1],
): Balancer => createRuntimeBalancer({ address, servers, timeoutMs }, { clock });
export let haproxy: Haproxy;
export let fake: FakeHaproxy | undefined;

beforeAll(async () => {
  haproxy = await startHaproxy(CONFIG);
});

afterEach(async () => {
  await fake?.stop();
  await haproxy.command(`set server ${APP1} state ready`);
});

afterAll(() => haproxy.stop());

/** A real HAProxy, whose answers pass through `change`. */
export function between(
  change: (answer: string, line: string) => string | Promise<string> = (answer) => answer,
): Promise<FakeHaproxy> {
  return startFake((line, socket) => {
    void (async () => answerOn(socket, await change(await ask(haproxy.socket, line), line)))();
  });
}

/** The answer with one cell of a row replaced. */
export function withCell(answer: string, column: string, value: string, svname = 'app1'): string {
  const names = /^# (pxname.*)$/m.exec(answer)?.[1]?.split(',') ?? [];
  return answer.replace(new RegExp(`^app,${svname},.*$`, 'm'), (row) => {
    const cells = row.split(',');
    cells[names.indexOf(column)] = value;
    return cells.join(',');
  });
}

/** @returns what is stopped after the test */
export function keepFake(to: FakeHaproxy): FakeHaproxy {
  fake = to;
  return to;
}
