import type { HooksListenConfig } from '../config/config.ts';
import type { Result } from '../lifecycle/model/api.ts';
import type { Clock } from '../system/clock.ts';
import {
  createHttpListener,
  type HttpAsked,
  type HttpListener,
  type HttpReply,
} from '../system/http-listener.ts';
import type { ListenSockets } from '../system/listen-sockets.ts';
import type { Log } from '../system/log-port.ts';
import { openBearerToken, type BearerToken } from './bearer-token.ts';
import { createPrestop, type Prestop, type PrestopPorts } from './prestop.ts';
import type { ApiProblem } from './protocol.ts';

/** Where an orchestrator calls before it ends the application (API.md#hooks-port). */

export interface HooksServerPorts extends PrestopPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly sockets: ListenSockets;
}

/** Every path that is answered, by GET and by POST. */
export const HOOK_PATHS: readonly string[] = ['/hooks/prestop'];
const METHODS = ['GET', 'POST'];
/** The most callers that wait at once; a pod has one hook for each of its containers. */
const MOST_WAITING = 256;
/** The shortest time between two log lines about wrong tokens, in milliseconds. */
const TELL_EVERY_MS = 60_000;

/** @throws LastcallError `config` for a token that cannot be used, and as `HttpListener.listen` */
export async function openHooksServer(
  config: HooksListenConfig,
  ports: HooksServerPorts,
): Promise<HttpListener> {
  const { clock, log, sockets } = ports;
  const token = await openBearerToken(config.tokenFile, ports);
  const failed = (error: unknown): void => log.error('a call of a hook could not be answered', { error });
  const listener = createHttpListener(
    { host: config.host, port: config.port, allow: config.allow, methods: METHODS, key: 'listen.hooks' },
    { clock, failed, sockets },
    createAnswer(token, createPrestop(ports), ports),
  );
  await listener.listen();
  return listener;
}

function createAnswer(
  token: BearerToken,
  prestop: Prestop,
  { clock, log }: HooksServerPorts,
): (asked: HttpAsked) => Promise<HttpReply> {
  const tellRefused = createRefusalLog(clock, log);
  return async ({ path, headers, address, signal, keep }) => {
    if (!(await token.accepts(headers.authorization))) {
      tellRefused(address);
      const reply = problem(401, 'the token is missing or wrong: Authorization: Bearer TOKEN');
      return { ...reply, headers: { 'WWW-Authenticate': 'Bearer' } };
    }
    if (path.split('?', 1)[0] !== '/hooks/prestop')
      return problem(404, `no such path; there is ${HOOK_PATHS.join(', ')}`);
    if (prestop.waiting >= MOST_WAITING) return problem(503, `${MOST_WAITING} callers wait already`);
    log.info('a preStop hook waits until the node is drained', { address });
    keep();
    return replyOf(await prestop.wait(signal));
  };
}

/** kubelet takes a status of 200 to 399 for a success, and reports any other as an event of the pod. */
function replyOf(result: Result): HttpReply {
  return { status: result.ok ? 200 : 503, type: 'application/json', body: `${JSON.stringify(result)}\n` };
}

function problem(status: number, message: string): HttpReply {
  const body = { code: 'usage', message } satisfies ApiProblem;
  return { status, type: 'application/json', body: `${JSON.stringify(body)}\n` };
}

/** One line for the first caller with a wrong token, and after a while one with their number. */
function createRefusalLog(clock: Clock, log: Log): (address: string) => void {
  let loggedAt: number | null = null;
  let refused = 0;
  return (address) => {
    refused += 1;
    if (loggedAt !== null && clock.now() - loggedAt < TELL_EVERY_MS) return;
    log.warn('a caller of listen.hooks has shown no token, or a wrong one', { address, refused });
    loggedAt = clock.now();
    refused = 0;
  };
}
